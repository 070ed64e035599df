# Flags that every target shares, and the functions that declare libraries and tests.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

add_library(skep_flags INTERFACE)
target_include_directories(skep_flags INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_compile_definitions(skep_flags INTERFACE _GNU_SOURCE)
target_compile_options(skep_flags INTERFACE -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
                       -Wpointer-arith -Wwrite-strings)
if(SKEP_WERROR) # the presets have it; a compiler of another year may warn of what these do not
  target_compile_options(skep_flags INTERFACE -Werror)
endif()
if(CMAKE_C_COMPILER_ID MATCHES Clang)
  target_compile_options(skep_flags INTERFACE -Wthread-safety)
endif()
# Added to what CMAKE_C_FLAGS holds, never instead of it.
if(SKEP_SANITIZE)
  target_compile_options(skep_flags INTERFACE -fsanitize=${SKEP_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(skep_flags INTERFACE -fsanitize=${SKEP_SANITIZE})
endif()

# skep_library(NAME OUTPUT file EXPORT short MAP file OBJECTS target... [LIBS lib...] [NEEDS name...]): NAME_static and, with
# SKEP_SHARED, NAME_shared from the same objects, both installed as skep::<short>. NEEDS names other libraries of this tree,
# each used in the same kind.
function(skep_library name)
  cmake_parse_arguments(L "" "OUTPUT;MAP;EXPORT" "OBJECTS;LIBS;NEEDS" ${ARGN})
  set(objects)
  foreach(o ${L_OBJECTS})
    list(APPEND objects $<TARGET_OBJECTS:${o}>)
  endforeach()
  set(kinds static)
  if(SKEP_SHARED)
    list(APPEND kinds shared)
  endif()
  foreach(kind ${kinds})
    string(TOUPPER ${kind} type)
    set(target ${name}_${kind})
    add_library(${target} ${type} ${objects})
    target_include_directories(${target} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${L_OUTPUT} VERSION ${PROJECT_VERSION} SOVERSION 0
                          LINKER_LANGUAGE C EXPORT_NAME ${L_EXPORT})
    foreach(needed ${L_NEEDS})
      target_link_libraries(${target} PUBLIC ${needed}_${kind})
    endforeach()
    target_link_libraries(${target} PRIVATE ${L_LIBS} $<BUILD_INTERFACE:skep_flags>)
    install(TARGETS ${target} EXPORT skep-${kind} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
            ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  endforeach()
  if(SKEP_SHARED)
    # Never unloaded: its threads and fork handlers may be at work when a program closes it.
    target_link_options(${name}_shared PRIVATE -Wl,--version-script=${L_MAP} -Wl,-z,nodelete)
    if(NOT SKEP_SANITIZE) # clang leaves its sanitizers' symbols to the program
      target_link_options(${name}_shared PRIVATE -Wl,--no-undefined)
    endif()
    set_target_properties(${name}_shared PROPERTIES LINK_DEPENDS ${L_MAP})
  endif()
endfunction()

# What no test may print, in a child process either. A test that provokes warnings of the log says WARNS.
set(SKEP_BAD_OUTPUT "ERROR: [A-Za-z]+Sanitizer" "WARNING: ThreadSanitizer" "runtime error: ")
set(SKEP_WARNING_OUTPUT "skep: (warn|error): ")

# Time limits are for an idle machine and plain code.
set(SKEP_PATIENCE 1 CACHE STRING "what the time limits of tests are multiplied with")
set(SKEP_TIME_FACTOR ${SKEP_PATIENCE})
if(SKEP_SANITIZE)
  math(EXPR SKEP_TIME_FACTOR "3 * ${SKEP_PATIENCE}")
endif()

# skep_test_properties(NAME [WARNS] [SERIAL] [LABELS label...] [TIMEOUT s]): what every ctest entry of this tree has. A test
# that prints "SKIP: reason" on a line of its own, or exits with 77, did not run.
function(skep_test_properties name)
  cmake_parse_arguments(T "WARNS;SERIAL" "TIMEOUT" "LABELS" ${ARGN})
  set(bad ${SKEP_BAD_OUTPUT})
  if(NOT T_WARNS)
    list(APPEND bad ${SKEP_WARNING_OUTPUT})
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  math(EXPR T_TIMEOUT "${T_TIMEOUT} * ${SKEP_TIME_FACTOR}")
  if(T_SERIAL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS "${T_LABELS}" SKIP_RETURN_CODE 77
                       FAIL_REGULAR_EXPRESSION "${bad}")
endfunction()

# skep_test(NAME SOURCES file... [LIBS lib...] [ARGS arg...] [LABELS label...] [TIMEOUT s] [WARNS] [SERIAL]): one cmocka
# program and its ctest entry. Tests link the static libraries, so that internals (skepi_*) can be reached. WARNS: warnings in
# the log are what it provokes. SERIAL: it measures, or fills something that all share.
function(skep_test name)
  cmake_parse_arguments(T "WARNS;SERIAL" "TIMEOUT" "SOURCES;LIBS;LABELS;ARGS" ${ARGN})
  if(NOT SKEP_WITH_TESTS)
    return()
  endif()
  if(NOT TARGET skep_cmocka)
    pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET GLOBAL cmocka)
    add_library(skep_cmocka INTERFACE)
    target_link_libraries(skep_cmocka INTERFACE PkgConfig::CMOCKA)
  endif()
  add_executable(${name} ${T_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE skep_flags ${T_LIBS} skep_static skep_cmocka Threads::Threads)
  add_test(NAME ${name} COMMAND ${name} ${T_ARGS})
  set(words)
  foreach(word WARNS SERIAL)
    if(T_${word})
      list(APPEND words ${word})
    endif()
  endforeach()
  skep_test_properties(${name} ${words} LABELS ${T_LABELS} TIMEOUT ${T_TIMEOUT})
endfunction()

# skep_peer_test(NAME SCRIPT file [ARGS arg...] [LABELS label...] [TIMEOUT s] [WARNS] [SERIAL]): a Python program that compares
# skep with what others wrote: numpy, safetensors and xxhash at the versions of tests/peers/requirements.txt, in the virtual
# environment that scripts/test makes below build/.
set(SKEP_PEERS_PYTHON ${PROJECT_SOURCE_DIR}/build/peers/bin/python3 CACHE FILEPATH "Python with the peers")
function(skep_peer_test name)
  cmake_parse_arguments(T "WARNS;SERIAL" "SCRIPT;TIMEOUT" "ARGS;LABELS" ${ARGN})
  if(NOT SKEP_WITH_TESTS)
    return()
  endif()
  get_filename_component(script ${T_SCRIPT} ABSOLUTE)
  add_test(NAME ${name} COMMAND ${PROJECT_SOURCE_DIR}/tests/peers/run.sh ${SKEP_PEERS_PYTHON} ${script} ${T_ARGS})
  set(words)
  foreach(word WARNS SERIAL)
    if(T_${word})
      list(APPEND words ${word})
    endif()
  endforeach()
  skep_test_properties(${name} ${words} LABELS peer ${T_LABELS} TIMEOUT ${T_TIMEOUT})
endfunction()
