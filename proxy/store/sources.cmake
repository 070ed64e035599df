target_sources(skep_proxy PRIVATE store/batch.c store/cache.c store/check.c store/connectors.c store/dispatch.c store/fork.c
               store/get.c store/module.c store/open.c store/options.c store/prefetch.c store/proxy.c store/put.c
               store/registry.c store/store.c store/sync.c)
set_source_files_properties(store/module.c PROPERTIES COMPILE_DEFINITIONS
                            SKEP_MODULE_DIR="${CMAKE_INSTALL_FULL_LIBDIR}/skep")
