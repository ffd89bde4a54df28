# SPDX-License-Identifier: MIT
# What `cmake --install` lays down: headers, library, program, the CMake package and llmrl.pc.
# Everything is found from where its file lies, so that the prefix may be chosen, or moved, afterwards.

get_target_property(LLMRL_TYPE llmrl TYPE)
set(LLMRL_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/llmrl)
set(LLMRL_PC_DIR ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Who links a static library needs its libraries, too; a shared one brings them along.
set(LLMRL_STATIC FALSE)
if(LLMRL_TYPE STREQUAL "STATIC_LIBRARY")
    set(LLMRL_STATIC TRUE)
endif()
set(LLMRL_PC_MODULES libcjson)
if(LLMRL_HAVE_CURL)
    list(APPEND LLMRL_PC_MODULES libcurl)
endif()
list(JOIN LLMRL_PC_MODULES " " LLMRL_PC_MODULES)

install(TARGETS llmrl EXPORT llmrlTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/llmrl
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

if(TARGET llmrl_program)
    if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_BINDIR}" AND NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
        file(RELATIVE_PATH LLMRL_BIN_TO_LIB /p/${CMAKE_INSTALL_BINDIR} /p/${CMAKE_INSTALL_LIBDIR})
        set_target_properties(llmrl_program PROPERTIES INSTALL_RPATH "$ORIGIN/${LLMRL_BIN_TO_LIB}")
    endif()
    install(TARGETS llmrl_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

install(EXPORT llmrlTargets NAMESPACE llmrl:: DESTINATION ${LLMRL_CMAKE_DIR})
configure_package_config_file(${PROJECT_SOURCE_DIR}/src/packaging/llmrlConfig.cmake.in
    ${PROJECT_BINARY_DIR}/packaging/llmrlConfig.cmake
    INSTALL_DESTINATION ${LLMRL_CMAKE_DIR} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/packaging/llmrlConfigVersion.cmake
    COMPATIBILITY SameMinorVersion) # until 1.0 a minor version may break
install(FILES ${PROJECT_BINARY_DIR}/packaging/llmrlConfig.cmake
              ${PROJECT_BINARY_DIR}/packaging/llmrlConfigVersion.cmake
        DESTINATION ${LLMRL_CMAKE_DIR})

# An absolute folder stays as it is; else it is looked for from where llmrl.pc lies.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(LLMRL_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
else()
    file(RELATIVE_PATH LLMRL_PC_PREFIX /p/${LLMRL_PC_DIR} /p)
    string(REGEX REPLACE "/$" "" LLMRL_PC_PREFIX "\${pcfiledir}/${LLMRL_PC_PREFIX}")
endif()
foreach(folder LIBDIR INCLUDEDIR)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${folder}}")
        set(LLMRL_PC_${folder} ${CMAKE_INSTALL_${folder}})
    else()
        set(LLMRL_PC_${folder} "\${prefix}/${CMAKE_INSTALL_${folder}}")
    endif()
endforeach()
set(LLMRL_PC_REQUIRES "Requires.private: ${LLMRL_PC_MODULES}\nLibs.private: -pthread")
set(LLMRL_PC_LIBS "-L\${libdir} -lllmrl")
if(LLMRL_STATIC)
    # Not the private lines: `pkg-config --static` would ask for libcurl's own libraries as static ones.
    set(LLMRL_PC_REQUIRES "Requires: ${LLMRL_PC_MODULES}")
    string(APPEND LLMRL_PC_LIBS " -pthread")
endif()
configure_file(${PROJECT_SOURCE_DIR}/src/packaging/llmrl.pc.in
               ${PROJECT_BINARY_DIR}/packaging/llmrl.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/packaging/llmrl.pc DESTINATION ${LLMRL_PC_DIR})
