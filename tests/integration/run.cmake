# SPDX-License-Identifier: MIT
# `llmrl run` against the stand-in provider. Exit 77: that was left out of the build.
if(LLMRL_BUILD_CLI)
    add_test(NAME run_program COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/run.sh $<TARGET_FILE:llmrl_program>)
    set_tests_properties(run_program PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
