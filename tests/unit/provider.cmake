# SPDX-License-Identifier: MIT
llmrl_test(test_duration ${CMAKE_CURRENT_LIST_DIR}/test_duration.c)
llmrl_test(test_date ${CMAKE_CURRENT_LIST_DIR}/test_date.c)
llmrl_test(test_headers ${CMAKE_CURRENT_LIST_DIR}/test_headers.c)
llmrl_test(test_structured ${CMAKE_CURRENT_LIST_DIR}/test_structured.c)
llmrl_test(test_body ${CMAKE_CURRENT_LIST_DIR}/test_body.c)
llmrl_test(test_usage ${CMAKE_CURRENT_LIST_DIR}/test_usage.c)
llmrl_test(test_event_stream ${CMAKE_CURRENT_LIST_DIR}/test_event_stream.c)
llmrl_test(test_classify ${CMAKE_CURRENT_LIST_DIR}/test_classify.c)
llmrl_test(test_dialects ${CMAKE_CURRENT_LIST_DIR}/test_dialects.c)
llmrl_test(test_estimate ${CMAKE_CURRENT_LIST_DIR}/test_estimate.c)
llmrl_test(test_calibration ${CMAKE_CURRENT_LIST_DIR}/test_calibration.c)
llmrl_test(test_estimate_parts ${CMAKE_CURRENT_LIST_DIR}/test_estimate_parts.c)
target_include_directories(test_estimate PRIVATE ${PROJECT_SOURCE_DIR}/tests/estimate)
target_compile_definitions(test_estimate PRIVATE
    LLMRL_ESTIMATE_SAMPLES="${PROJECT_SOURCE_DIR}/tests/estimate/samples")
llmrl_test(test_corpus ${PROJECT_SOURCE_DIR}/tests/integration/test_corpus.c)
target_compile_definitions(test_corpus PRIVATE
    LLMRL_CORPUS_OWN="${PROJECT_SOURCE_DIR}/tests/corpus"
    LLMRL_CORPUS_SHARED="${PROJECT_SOURCE_DIR}/../shared/corpus")
