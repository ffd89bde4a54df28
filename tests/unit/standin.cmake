# SPDX-License-Identifier: MIT
# The stand-in provider's own arithmetic: it shares no code with the library that it judges.
llmrl_test(test_provider_limits
    ${CMAKE_CURRENT_LIST_DIR}/test_provider_limits.c
    ${PROJECT_SOURCE_DIR}/src/cli/provider_limits.c)
