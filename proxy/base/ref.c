/* ref.c - what a key may look like. */
#include <skep/error.h>
#include <skep/ref.h>

#include <string.h>

int skep_ref_key(const char *key, skep_ref *out)
{
    skep_ref ref = SKEP_REF_INIT;
    size_t n;

    if (key == NULL || out == NULL || key[0] == '\0' || key[0] == '.')
        return SKEP_EINVAL;
    for (n = 0; key[n] != '\0'; n++)
        if (n >= SKEP_KEY_MAX - 1 || key[n] == '/' || (unsigned char)key[n] < 0x20 || key[n] == 0x7f)
            return SKEP_EINVAL;
    memcpy(ref.key, key, n + 1);
    *out = ref;
    return SKEP_OK;
}

int skep_key_is_uuid(const char *key)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    if (key == NULL)
        return 0;
    for (size_t i = 0; i < sizeof shape; i++) { /* the NUL must match too */
        int hex = (key[i] >= '0' && key[i] <= '9') || (key[i] >= 'a' && key[i] <= 'f');

        if (shape[i] == 'x' ? !hex : key[i] != shape[i])
            return 0;
    }
    return 1;
}
