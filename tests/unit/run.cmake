# SPDX-License-Identifier: MIT
# Tests of `llmrl run`, part by part. The program includes public headers only; so do these.
set(LLMRL_RUN_DIR ${PROJECT_SOURCE_DIR}/src/cli)
set(LLMRL_RUN_JSON ${LLMRL_RUN_DIR}/text.c ${LLMRL_RUN_DIR}/json_scan.c)

llmrl_test(test_run_json test_run_json.c ${LLMRL_RUN_JSON})
llmrl_test(test_run_ids test_run_ids.c ${LLMRL_RUN_DIR}/run_ids.c ${LLMRL_RUN_DIR}/text.c)
llmrl_test(test_run_input test_run_input.c ${LLMRL_RUN_DIR}/run_input.c ${LLMRL_RUN_DIR}/text.c)
llmrl_test(test_run_request test_run_request.c ${LLMRL_RUN_DIR}/run_request.c ${LLMRL_RUN_JSON})
llmrl_test(test_run_output test_run_output.c ${LLMRL_RUN_DIR}/run_output.c ${LLMRL_RUN_JSON})
llmrl_test(test_run_resume test_run_resume.c ${LLMRL_RUN_DIR}/run_resume.c ${LLMRL_RUN_DIR}/run_ids.c
           ${LLMRL_RUN_DIR}/run_input.c ${LLMRL_RUN_DIR}/run_output.c ${LLMRL_RUN_JSON})
llmrl_test(test_run_options test_run_options.c ${LLMRL_RUN_DIR}/run_options.c ${LLMRL_RUN_DIR}/config_file.c
           ${LLMRL_RUN_DIR}/text.c)
llmrl_test(test_run_door test_run_door.c ${LLMRL_RUN_DIR}/run_options.c ${LLMRL_RUN_DIR}/config_file.c
           ${LLMRL_RUN_DIR}/run_progress.c
           ${LLMRL_RUN_DIR}/run_summary.c ${LLMRL_RUN_DIR}/text.c)
llmrl_test(test_run_explain test_run_explain.c ${LLMRL_RUN_DIR}/explain_input.c ${LLMRL_RUN_DIR}/explain_output.c
           ${LLMRL_RUN_DIR}/binary_text.c ${LLMRL_RUN_DIR}/rfc3339.c ${LLMRL_RUN_JSON})
foreach(part explain json ids input request output resume options door)
    target_include_directories(test_run_${part} PRIVATE ${LLMRL_RUN_DIR})
endforeach()
