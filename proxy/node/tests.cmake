# The tests of this folder: skep_test() calls.
skep_test(node_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/node_test.c)
skep_test(node_disk_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/node_disk_test.c)
skep_test(node_life_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/node_life_test.c)
skep_test(node_cgroup_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/node_cgroup_test.c)
skep_test(node_space_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/node_space_test.c)
skep_test(node_kill_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/node_kill_test.c TIMEOUT 600)
skep_test(node_race_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/node_race_test.c)
if(TARGET node_race_test)
  target_link_options(node_race_test PRIVATE
    -Wl,--wrap=flock,--wrap=renameat,--wrap=readdir,--wrap=fallocate,--wrap=fstatfs,--wrap=mmap,--wrap=fsync)
endif()
