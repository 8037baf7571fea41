/* checkpoint.h - one view of tensors over the containers that the field keeps weights in: .safetensors, and the zip
 * archives of torch.save (.pt .pth .ckpt .bin; PyTorch 1.6 and later). */
#ifndef TS_IO_CHECKPOINT_H
#define TS_IO_CHECKPOINT_H

#include "io/safetensors.h"

/* Opens `size` bytes of either kind, told by their first bytes. They are borrowed and hold the data of all tensors but
 * those that the file keeps in strides, which are copied. Errors as ts_safetensors_open. */
tess_status ts_checkpoint_open(ts_safetensors **file, const void *bytes, size_t size, ts_error *err);

/* The tensors of a torch.save archive: those of the dict under "state_dict" or "model" if there is one, else of the dict
 * that is the whole (entries that are no tensors are passed over); no metadata. Errors: FORMAT, TOO_LARGE, MEMORY. */
tess_status ts_torch_open(ts_safetensors **file, const void *bytes, size_t size, ts_error *err);

#endif
