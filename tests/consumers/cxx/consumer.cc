// consumer.cc - a C++ program against the installed libraries: a handle there and back, and a task built.
#include <skep/skep.h>
#ifdef WITH_STEERING
#include <skep/steering.h>
#endif

#include <cstring>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

namespace
{
using Store = std::unique_ptr<skep_store, decltype(&skep_store_unref)>;
using Proxy = std::unique_ptr<skep_proxy, decltype(&skep_proxy_unref)>;

void check(int rc, const skep_error &err)
{
    if (rc != SKEP_OK)
        throw std::runtime_error(err.text);
}

std::string put(const char *uri, const std::string &bytes)
{
    skep_error err;
    skep_store *store;
    skep_proxy *proxy;
    char handle[SKEP_HANDLE_MAX];

    check(skep_store_open(uri, nullptr, &store, &err), err);
    Store keep(store, skep_store_unref);
    check(skep_store_proxy(store, bytes.data(), bytes.size(), nullptr, &proxy, &err), err);
    Proxy drop(proxy, skep_proxy_unref);
    if (skep_proxy_handle(proxy, handle, sizeof handle) != SKEP_OK)
        throw std::runtime_error("a handle that does not fit");
    return handle;
}

std::string get(const std::string &handle)
{
    skep_error err;
    skep_proxy *proxy;
    const void *data;
    size_t size;

    check(skep_proxy_open(handle.c_str(), nullptr, &proxy, &err), err);
    Proxy drop(proxy, skep_proxy_unref);
    check(skep_proxy_resolve(proxy, SKEP_FOREVER, &data, &size, &err), err);
    return std::string(static_cast<const char *>(data), size);
}

void build_a_task()
{
#ifdef WITH_STEERING
    std::unique_ptr<skep_task, decltype(&skep_task_free)> task(skep_task_new("simulate"), skep_task_free);

    if (skep_task_add_double(task.get(), 0.5) != SKEP_OK || std::strcmp(skep_task_method(task.get()), "simulate") != 0)
        throw std::runtime_error("a task forgot its method");
#endif
}
} // namespace

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    try {
        build_a_task();
        if (get(put(argv[1], "weights")) != "weights")
            throw std::runtime_error("other bytes came back");
    } catch (const std::exception &e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
