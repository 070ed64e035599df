target_sources(skep_proxy PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/error.c
  ${CMAKE_CURRENT_LIST_DIR}/log.c
  ${CMAKE_CURRENT_LIST_DIR}/clock.c
  ${CMAKE_CURRENT_LIST_DIR}/fork.c
  ${CMAKE_CURRENT_LIST_DIR}/alloc.c
  ${CMAKE_CURRENT_LIST_DIR}/block.c
  ${CMAKE_CURRENT_LIST_DIR}/buf.c
  ${CMAKE_CURRENT_LIST_DIR}/ref.c
  ${CMAKE_CURRENT_LIST_DIR}/uuid.c
  ${CMAKE_CURRENT_LIST_DIR}/split.c
  ${CMAKE_CURRENT_LIST_DIR}/option.c
  ${CMAKE_CURRENT_LIST_DIR}/uri.c
  ${CMAKE_CURRENT_LIST_DIR}/handle.c
  ${CMAKE_CURRENT_LIST_DIR}/policy.c
  ${CMAKE_CURRENT_LIST_DIR}/sum.c
  ${CMAKE_CURRENT_LIST_DIR}/sum_plain.c
  ${CMAKE_CURRENT_LIST_DIR}/metrics.c
  ${CMAKE_CURRENT_LIST_DIR}/host.c)

find_path(SKEP_XXHASH_INCLUDE xxhash.h REQUIRED DOC "where xxhash.h lies (Debian: libxxhash-dev); the library is not linked")

# One source, compiled for each processor generation and chosen at run time; optimised in every build, because XXH3 without
# inlining is a hundred times slower.
set(sum_files sum_plain)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  list(APPEND sum_files sum_avx2 sum_avx512)
  target_sources(skep_proxy PRIVATE ${CMAKE_CURRENT_LIST_DIR}/sum_avx2.c ${CMAKE_CURRENT_LIST_DIR}/sum_avx512.c)
  set_property(SOURCE ${CMAKE_CURRENT_LIST_DIR}/sum_avx2.c APPEND PROPERTY COMPILE_OPTIONS -mavx2)
  set_property(SOURCE ${CMAKE_CURRENT_LIST_DIR}/sum_avx512.c APPEND PROPERTY COMPILE_OPTIONS -mavx512f)
  set_property(SOURCE ${CMAKE_CURRENT_LIST_DIR}/sum.c APPEND PROPERTY COMPILE_DEFINITIONS SKEPI_SUM_X86)
endif()
foreach(name ${sum_files})
  set_property(SOURCE ${CMAKE_CURRENT_LIST_DIR}/${name}.c APPEND PROPERTY COMPILE_OPTIONS -O3)
  set_property(SOURCE ${CMAKE_CURRENT_LIST_DIR}/${name}.c APPEND PROPERTY INCLUDE_DIRECTORIES ${SKEP_XXHASH_INCLUDE})
endforeach()
