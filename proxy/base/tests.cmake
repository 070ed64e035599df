foreach(name error buf sum metrics)
  skep_test(base_${name}_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/base_${name}_test.c)
endforeach()
