# The tests of this folder: skep_test() calls.
skep_test(codec_json SOURCES codec/json_test.c)
skep_test(codec_safetensors SOURCES codec/safetensors_test.c)
skep_test(codec_safetensors_write SOURCES codec/safetensors_write_test.c)
skep_test(codec_safetensors_store SOURCES codec/safetensors_store_test.c)

if(SKEP_WITH_TESTS)
  add_executable(interop_safetensors ${PROJECT_SOURCE_DIR}/tests/interop_safetensors.c)
  target_link_libraries(interop_safetensors PRIVATE skep_flags skep_static)
  skep_peer_test(interop_safetensors SCRIPT ${PROJECT_SOURCE_DIR}/tests/interop_safetensors.py
                 ARGS $<TARGET_FILE:interop_safetensors>)
endif()
