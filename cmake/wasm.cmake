# WebAssembly: the two web cores (each one .wasm without glue) and their forms with shared memory, the command line for
# Node, and tests that run in Node.
#
# Emscripten links at -O1 so that it runs no optimizer of its own (Debian's binaryen is older than it wants); the npm
# package binaryen does that afterwards.

if(NOT TESSERAE_SIMD MATCHES "^(simd|relaxed)$")
  message(FATAL_ERROR "TESSERAE_SIMD=${TESSERAE_SIMD}: a WebAssembly build is simd or relaxed (use a wasm-* preset)")
endif()
find_program(node node REQUIRED NO_CACHE NO_CMAKE_FIND_ROOT_PATH)
set(dist ${CMAKE_SOURCE_DIR}/dist)
set(wasm_opt ${CMAKE_SOURCE_DIR}/node_modules/binaryen/bin/wasm-opt)
set(wasm_features --enable-simd --enable-bulk-memory --enable-mutable-globals --enable-sign-ext --enable-nontrapping-float-to-int)
if(TESSERAE_SIMD STREQUAL "relaxed")
  list(APPEND wasm_features --enable-relaxed-simd)
endif()
list(APPEND ts_link_flags -O1 -sWASM_BIGINT -sALLOW_MEMORY_GROWTH -sINITIAL_MEMORY=4MB -sMAXIMUM_MEMORY=2GB -sSTACK_SIZE=512KB)

# Tests run in the node on the PATH. Node 20 takes relaxed SIMD behind a flag that later versions need not, and may not, know.
set(CMAKE_CROSSCOMPILING_EMULATOR ${node})
if(TESSERAE_SIMD STREQUAL "relaxed")
  execute_process(COMMAND ${node} --experimental-wasm-relaxed-simd -e 0 RESULT_VARIABLE refused OUTPUT_QUIET ERROR_QUIET)
  if(NOT refused)
    list(APPEND CMAKE_CROSSCOMPILING_EMULATOR --experimental-wasm-relaxed-simd)
  endif()
endif()

# A program with Emscripten's loader that sees Node's real files; -sNODERAWFS needs no preloading.
function(ts_node_program target)
  set_target_properties(${target} PROPERTIES SUFFIX .cjs)
  target_link_options(${target} PRIVATE -sENVIRONMENT=node -sNODERAWFS -sEXIT_RUNTIME)
endfunction()

# Optimizes the linked .wasm of a target into `output`.
function(ts_optimize target input output)
  if(NOT EXISTS ${wasm_opt})
    message(FATAL_ERROR "node_modules/binaryen is missing: run npm ci first")
  endif()
  add_custom_command(TARGET ${target} POST_BUILD VERBATIM
    COMMAND ${node} ${wasm_opt} -O2 ${wasm_features} --strip-debug --strip-producers ${input} -o ${output})
endfunction()

include(cmake/exports.cmake) # ts_exports: what each of the two cores exports

file(MAKE_DIRECTORY ${dist}/cli)
ts_add_core(core ${TESSERAE_SIMD})

if(NOT EXISTS ${CMAKE_BINARY_DIR}/empty.c)
  file(WRITE ${CMAKE_BINARY_DIR}/empty.c "typedef int empty;\n")
endif()
ts_exports(codec studio)
foreach(kind codec studio)
  list(TRANSFORM ${kind} PREPEND _ OUTPUT_VARIABLE names)
  list(JOIN names "," names)
  add_executable(web-${kind} ${CMAKE_BINARY_DIR}/empty.c)
  set_target_properties(web-${kind} PROPERTIES SUFFIX .wasm)
  target_link_libraries(web-${kind} PRIVATE core)
  target_link_options(web-${kind} PRIVATE ${ts_link_flags} --no-entry -sSTANDALONE_WASM -sFILESYSTEM=0 -sEXPORTED_FUNCTIONS=${names})
  ts_optimize(web-${kind} ${CMAKE_BINARY_DIR}/web-${kind}.wasm ${dist}/tesserae-${ts_${kind}_prefix}${TESSERAE_SIMD}.wasm)
endforeach()

# The threaded form: the same sources with atomics, on an imported shared memory. emcc has no glue-free link for that, so
# wasm-ld is called as emcc would call it. Helpers (src/base/parallel_wasm.c) set __stack_pointer; a module with thread-local
# storage would need more than that, and the link would show it as an export __wasm_init_tls.
execute_process(COMMAND em-config CACHE OUTPUT_VARIABLE em_cache OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND em-config LLVM_ROOT OUTPUT_VARIABLE em_llvm OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
# Debian calls its tools by version (wasm-ld-19); a plain name there may be an older LLVM's. Elsewhere the setting does not exist.
execute_process(COMMAND em-config LLVM_ADD_VERSION OUTPUT_VARIABLE em_llvm_version OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
find_program(ts_wasm_ld NAMES wasm-ld-${em_llvm_version} wasm-ld NAMES_PER_DIR HINTS ${em_llvm} REQUIRED)
set(em_lib ${em_cache}/sysroot/lib/wasm32-emscripten)
set(em_libraries standalonewasm-memgrow-pure c-ww dlmalloc-ww compiler_rt-ww)
foreach(library ${em_libraries})
  if(NOT EXISTS ${em_lib}/lib${library}.a)
    execute_process(COMMAND embuilder build lib${library} COMMAND_ERROR_IS_FATAL ANY)
  endif()
endforeach()
list(TRANSFORM em_libraries PREPEND -l)
ts_add_core(core-threads ${TESSERAE_SIMD})
target_compile_options(core-threads PRIVATE -matomics -mbulk-memory -DTS_WITH_HELPERS=1)
foreach(kind codec studio)
  set(linked ${CMAKE_BINARY_DIR}/web-${kind}-threads.wasm)
  set(output ${dist}/tesserae-${ts_${kind}_prefix}${TESSERAE_SIMD}-threads.wasm)
  list(TRANSFORM ${kind} PREPEND --export= OUTPUT_VARIABLE names)
  add_custom_command(OUTPUT ${output} DEPENDS core-threads VERBATIM
    COMMAND ${ts_wasm_ld} ${em_lib}/crt1_reactor.o $<TARGET_FILE:core-threads> -L${em_lib} ${em_libraries} --entry=_initialize
      --import-memory --shared-memory --initial-memory=4194304 --max-memory=2147483648 -z stack-size=524288 --strip-debug
      ${names} --export=ts_helper_run --export=ts_helper_lost --export=__stack_pointer -o ${linked}
    COMMAND ${node} ${wasm_opt} -O2 ${wasm_features} --enable-threads --strip-debug --strip-producers ${linked} -o ${output})
  add_custom_target(web-${kind}-threads ALL DEPENDS ${output})
endforeach()

ts_add_cli(tesserae-cli core)
if(TARGET tesserae-cli)
  ts_node_program(tesserae-cli)
  if(TESSERAE_SIMD STREQUAL "simd") # the build that every Node runs without a flag
    add_custom_command(TARGET tesserae-cli POST_BUILD VERBATIM
      COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_BINARY_DIR}/tesserae-cli.cjs ${dist}/cli/tesserae-cli.cjs)
    ts_optimize(tesserae-cli ${CMAKE_BINARY_DIR}/tesserae-cli.wasm ${dist}/cli/tesserae-cli.wasm)
  endif()
endif()

# bench/{layers,nodes}.c for the pages of that name in bench/web/pages: `cmake --build build/wasm-relaxed --target bench-layers`.
foreach(name layers nodes)
  add_executable(bench-${name} EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/${name}.c)
  set_target_properties(bench-${name} PROPERTIES SUFFIX .wasm)
  ts_common(bench-${name})
  target_link_libraries(bench-${name} PRIVATE core)
  target_link_options(bench-${name} PRIVATE --no-entry -sSTANDALONE_WASM -sFILESYSTEM=0)
  ts_optimize(bench-${name} ${CMAKE_BINARY_DIR}/bench-${name}.wasm ${CMAKE_BINARY_DIR}/bench-${name}.opt.wasm)
endforeach()
