#!/bin/sh
# SPDX-License-Identifier: MIT
# A stranger builds examples/ against libllmrl.
#   shared, static: installed into a fresh prefix, which then moves; found by CMake and by pkg-config.
#   embedded: as part of the stranger's own project, by FetchContent and by add_subdirectory.
# consumer.sh SOURCE WORK HOW
set -eu
source=$1
work=$2
how=$3
cc=${CC:-cc}
cmake=${CMAKE:-cmake}

quietly() { # title command...
    title=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "ok      $title"
    else
        cat "$work/log"
        echo "FAILED  $title: $*"
        exit 1
    fi
}

rm -rf "$work"
mkdir -p "$work"
export CMAKE_BUILD_TYPE=Debug
unset CMAKE_PREFIX_PATH PKG_CONFIG_PATH LD_LIBRARY_PATH CFLAGS LDFLAGS DESTDIR

if [ "$how" = embedded ]; then
    for shared in ON OFF; do
        for way in fetch subdirectory; do
            project=$work/$way-$shared
            mkdir -p "$project/app"
            # The library one folder down, the program in another: what it needs must be seen from anywhere.
            {
                echo 'cmake_minimum_required(VERSION 3.21)'
                echo 'project(stranger LANGUAGES C)'
                if [ "$way" = fetch ]; then
                    echo 'include(FetchContent)'
                    echo "FetchContent_Declare(llmrl SOURCE_DIR \"$source\")"
                    echo 'FetchContent_MakeAvailable(llmrl)'
                else
                    echo "add_subdirectory(\"$source\" third_party/llmrl)"
                fi
                echo 'add_subdirectory(app)'
                echo 'if(TARGET llmrl_program OR TARGET llmrl_inside OR TARGET example_01)'
                echo '    message(FATAL_ERROR "an embedded llmrl builds more than the library")'
                echo 'endif()'
            } >"$project/CMakeLists.txt"
            {
                echo "add_executable(app \"$source/examples/01_acquire.c\")"
                echo 'target_link_libraries(app PRIVATE llmrl::llmrl)'
            } >"$project/app/CMakeLists.txt"
            # The ways differ in how CMake sees the library: one of the four builds is enough to compile it twice.
            quietly "$way, BUILD_SHARED_LIBS=$shared: configures" \
                "$cmake" -S "$project" -B "$project/build" -DBUILD_SHARED_LIBS=$shared -DCMAKE_C_FLAGS=-O0
            if [ "$way" = fetch ] || [ "$shared" = OFF ]; then
                quietly "$way, BUILD_SHARED_LIBS=$shared: builds" \
                    "$cmake" --build "$project/build" --parallel 2
                quietly "$way, BUILD_SHARED_LIBS=$shared: runs" "$project/build/app/app"
            fi
        done
    done
    exit 0
fi

shared=ON
if [ "$how" = static ]; then
    shared=OFF
fi
quietly "configure $how" "$cmake" -S "$source" -B "$work/build" -DBUILD_SHARED_LIBS=$shared -DCMAKE_C_FLAGS=-O0 \
    -DLLMRL_BUILD_TESTS=OFF -DLLMRL_BUILD_EXAMPLES=OFF -DCMAKE_INSTALL_PREFIX=/nowhere
quietly "build $how" "$cmake" --build "$work/build" --parallel 2
quietly "install $how" "$cmake" --install "$work/build" --prefix "$work/first"
mv "$work/first" "$work/prefix"
prefix=$work/prefix
if grep -rl --include='*.cmake' --include='*.pc' -e "$work/build" -e "$source" "$prefix"; then
    echo "FAILED  an installed file names the build"
    exit 1
fi
quietly "the installed program runs" "$prefix/bin/llmrl" --version

quietly "find_package: configures" "$cmake" -S "$source/examples" -B "$work/found" -DCMAKE_PREFIX_PATH="$prefix"
quietly "find_package: builds" "$cmake" --build "$work/found" --parallel 2
quietly "find_package: runs" "$work/found/example_05"
if "$cmake" -S "$source/examples" -B "$work/other" -DCMAKE_PREFIX_PATH="$prefix" \
    -DLLMRL_EXAMPLES_VERSION=0.99 >"$work/log" 2>&1; then
    echo "FAILED  version 0.99 was found, too"
    exit 1
fi

pc=$(find "$prefix" -name llmrl.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir llmrl)
for example in 01_acquire 03_http 05_limiter; do
    # shellcheck disable=SC2046
    quietly "pkg-config: builds $example" "$cc" -std=c11 "$source/examples/$example.c" -o "$work/$example" \
        $(pkg-config --cflags --libs llmrl)
done
LD_LIBRARY_PATH=$libdir quietly "pkg-config: runs" "$work/05_limiter"
version=$(pkg-config --modversion llmrl)
quietly "the versions agree" grep -q "RL_VERSION_STRING \"$version\"" "$prefix/include/llmrl/base.h"
