# SPDX-License-Identifier: MIT
# The real program, asked with curl; without curl these are skipped, never passed.
foreach(part openai groq anthropic gemini generic errors faults crowd)
    add_test(NAME standin_${part}
        COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/standin.sh $<TARGET_FILE:llmrl_program> ${part})
    set_tests_properties(standin_${part} PROPERTIES TIMEOUT 120 SKIP_RETURN_CODE 77)
endforeach()
