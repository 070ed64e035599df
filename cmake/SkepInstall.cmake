# Installation: libraries (declared in SkepBuild), headers, the command, pkg-config files, a CMake package, the manual.
include(CMakePackageConfigHelpers)

set(SKEP_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/skep)

set(steering_headers steering.h task.h queues.h thinker.h server.h worker.h)
file(GLOB headers RELATIVE ${PROJECT_SOURCE_DIR}/include/skep CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/skep/*.h)
if(NOT SKEP_WITH_STEERING)
  list(REMOVE_ITEM headers ${steering_headers})
endif()
list(TRANSFORM headers PREPEND ${PROJECT_SOURCE_DIR}/include/skep/)
install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/skep)

# pkg-config: found from where the file lies, so that an installed tree can be moved. Private libraries are named one by one,
# not by Requires.private: a static program takes skep from its archive and the rest as the system has it, while the closure
# of Debian's libzmq.pc names archives that do not exist.
file(RELATIVE_PATH SKEP_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" SKEP_PC_UP ${SKEP_PC_UP})
set(SKEP_PC_LIBS_PRIVATE " -pthread -ldl")
set(SKEP_PC_STEERING_LIBS_PRIVATE "")
set(SKEP_STEERING_PACKAGES "")
set(pairs JANSSON=jansson)
if(SKEP_WITH_ZMQ)
  list(APPEND pairs ZMQ=libzmq)
endif()
foreach(pair ${pairs})
  string(REGEX REPLACE ".*=(lib)?" "" library ${pair})
  string(APPEND SKEP_PC_STEERING_LIBS_PRIVATE " -l${library}")
  string(APPEND SKEP_STEERING_PACKAGES " ${pair}")
endforeach()
set(SKEP_PC_LIBS "")
set(SKEP_PC_STEERING_LIBS "")
if(NOT SKEP_SHARED) # only archives: whoever links them needs it all, with or without --static
  set(SKEP_PC_LIBS "${SKEP_PC_LIBS_PRIVATE}")
  set(SKEP_PC_STEERING_LIBS "${SKEP_PC_STEERING_LIBS_PRIVATE}")
endif()
configure_file(cmake/skep.pc.in skep.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/skep.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(SKEP_WITH_STEERING)
  configure_file(cmake/skep-steering.pc.in skep-steering.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/skep-steering.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()

configure_package_config_file(cmake/skep-config.cmake.in skep-config.cmake INSTALL_DESTINATION ${SKEP_PACKAGE_DIR})
write_basic_package_version_file(skep-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/skep-config.cmake ${PROJECT_BINARY_DIR}/skep-config-version.cmake
        DESTINATION ${SKEP_PACKAGE_DIR})
install(EXPORT skep-static NAMESPACE skep:: DESTINATION ${SKEP_PACKAGE_DIR})
if(SKEP_SHARED)
  install(EXPORT skep-shared NAMESPACE skep:: DESTINATION ${SKEP_PACKAGE_DIR})
endif()

install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")
