# What the two web cores export. Both are links of the same objects; the linker leaves out what no export reaches.
#   codec   dist/tesserae-*.wasm         pictures to files and back, models: what an app downloads that compresses
#   studio  dist/tesserae-studio-*.wasm  everything
#
# A function of include/tesserae.h is named tess_NOUN or tess_NOUN_VERB. A new NOUN goes into one of these two lists; one
# that stands in neither ends the configuration.
set(ts_codec_nouns version backend status alloc free model encoder decoder file compare)
set(ts_studio_nouns trainer lpips sampler inpainter upscaler model_add) # besides those above

# What stands before the name of the build in a core's file name.
set(ts_codec_prefix "")
set(ts_studio_prefix "studio-")

# The names of the functions that each core exports.
function(ts_exports codec studio)
  set(header ${CMAKE_SOURCE_DIR}/include/tesserae.h)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
  file(READ ${header} text)
  string(REGEX REPLACE "/\\*([^*]|\\*+[^*/])*\\*+/" "" text "${text}")
  string(REGEX MATCHALL "tess_[a-z_0-9]+\\(" names "${text}")
  list(REMOVE_DUPLICATES names)
  list(TRANSFORM names REPLACE "\\($" "")
  set(codec_names ${names})
  list(JOIN ts_codec_nouns "|" nouns)
  list(FILTER codec_names INCLUDE REGEX "^tess_(${nouns})(_|$)")
  list(JOIN ts_studio_nouns "|" nouns)
  list(FILTER codec_names EXCLUDE REGEX "^tess_(${nouns})(_|$)")
  set(others ${names})
  list(REMOVE_ITEM others ${codec_names})
  list(FILTER others EXCLUDE REGEX "^tess_(${nouns})(_|$)")
  if(others)
    message(FATAL_ERROR "${others}: put the noun into ts_codec_nouns or ts_studio_nouns in cmake/exports.cmake")
  endif()
  set(${codec} ${codec_names} PARENT_SCOPE)
  set(${studio} ${names} PARENT_SCOPE)
endfunction()
