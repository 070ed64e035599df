# The tests of this folder: skep_test() calls.
skep_test(codec_json SOURCES codec/json_test.c)
skep_test(codec_safetensors SOURCES codec/safetensors_test.c)
skep_test(codec_safetensors_write SOURCES codec/safetensors_write_test.c)
