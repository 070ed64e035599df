target_sources(skep_proxy PRIVATE codec/codec.c codec/dtype.c codec/header_read.c codec/header_write.c codec/json.c
               codec/safetensors.c codec/safetensors_put.c codec/utf8.c)
