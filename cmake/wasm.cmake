# WebAssembly: the web core (one .wasm without glue), the command line for Node, and tests that run in Node.
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
    COMMAND ${node} ${wasm_opt} -O3 ${wasm_features} --strip-debug --strip-producers ${input} -o ${output})
endfunction()

# The exported functions are the ones that include/tesserae.h declares.
function(ts_exports result)
  set(header ${CMAKE_SOURCE_DIR}/include/tesserae.h)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
  file(READ ${header} text)
  string(REGEX REPLACE "/\\*([^*]|\\*+[^*/])*\\*+/" "" text "${text}")
  string(REGEX MATCHALL "tess_[a-z_0-9]+\\(" names "${text}")
  list(REMOVE_DUPLICATES names)
  list(TRANSFORM names REPLACE "(.*)\\(" "_\\1")
  list(JOIN names "," names)
  set(${result} ${names} PARENT_SCOPE)
endfunction()

file(MAKE_DIRECTORY ${dist}/cli)
ts_add_core(core ${TESSERAE_SIMD})

if(NOT EXISTS ${CMAKE_BINARY_DIR}/empty.c)
  file(WRITE ${CMAKE_BINARY_DIR}/empty.c "typedef int empty;\n")
endif()
ts_exports(exports)
add_executable(web-core ${CMAKE_BINARY_DIR}/empty.c)
set_target_properties(web-core PROPERTIES SUFFIX .wasm)
target_link_libraries(web-core PRIVATE core)
target_link_options(web-core PRIVATE ${ts_link_flags} --no-entry -sSTANDALONE_WASM -sFILESYSTEM=0 -sEXPORTED_FUNCTIONS=${exports})
ts_optimize(web-core ${CMAKE_BINARY_DIR}/web-core.wasm ${dist}/tesserae-${TESSERAE_SIMD}.wasm)

ts_add_cli(tesserae-cli core)
if(TARGET tesserae-cli)
  ts_node_program(tesserae-cli)
  if(TESSERAE_SIMD STREQUAL "simd") # the build that every Node runs without a flag
    add_custom_command(TARGET tesserae-cli POST_BUILD VERBATIM
      COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_BINARY_DIR}/tesserae-cli.cjs ${dist}/cli/tesserae-cli.cjs)
    ts_optimize(tesserae-cli ${CMAKE_BINARY_DIR}/tesserae-cli.wasm ${dist}/cli/tesserae-cli.wasm)
  endif()
endif()

# bench/layers.c for the page bench/web/pages/layers.html: `cmake --build build/wasm-relaxed --target bench-layers`.
add_executable(bench-layers EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/layers.c)
set_target_properties(bench-layers PROPERTIES SUFFIX .wasm)
ts_common(bench-layers)
target_link_libraries(bench-layers PRIVATE core)
target_link_options(bench-layers PRIVATE --no-entry -sSTANDALONE_WASM -sFILESYSTEM=0)
ts_optimize(bench-layers ${CMAKE_BINARY_DIR}/bench-layers.wasm ${CMAKE_BINARY_DIR}/bench-layers.opt.wasm)
