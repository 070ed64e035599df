foreach(name error buf uri handle sum metrics nomem)
  skep_test(base_${name}_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/base_${name}_test.c)
endforeach()
