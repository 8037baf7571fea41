"""The processes that train together: started by torchrun, or one alone. Every process holds the same weights and codes
and sees its share of each batch; gradients and statistics are summed over all."""
import os

import torch
import torch.distributed as dist


class World:
    """rank of size processes, and the device of this one. Sums come back the same, bit by bit, in every process."""

    def __init__(self, device="cpu", rank=0, size=1):
        self.device, self.rank, self.size = device, rank, size

    @classmethod
    def join(cls, device=None):
        """The world that torchrun's environment tells of: NCCL between GPUs (if there are any), gloo between CPUs."""
        cuda = (device or ("cuda" if torch.cuda.is_available() else "cpu")) == "cuda"
        rank, size = (int(os.environ.get(k, v)) for k, v in (("RANK", 0), ("WORLD_SIZE", 1)))
        if cuda:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        if size > 1:
            dist.init_process_group("nccl" if cuda else "gloo")
        return cls("cuda" if cuda else "cpu", rank, size)

    def leave(self):
        if self.size > 1:
            dist.destroy_process_group()

    def sum(self, t):
        """t becomes the sum over the processes -> t."""
        if self.size > 1:
            dist.all_reduce(t)
        return t

    def mean(self, t):
        return self.sum(t).div_(self.size) if self.size > 1 else t

    def mean_all(self, tensors):
        """Each of `tensors` (one dtype) becomes its mean, in one message."""
        if self.size == 1 or not tensors:
            return
        flat = self.mean(torch.cat([t.reshape(-1) for t in tensors]))
        for t, part in zip(tensors, flat.split([t.numel() for t in tensors])):
            t.copy_(part.view_as(t))

    def share(self, make):
        """What `make` returns in process 0, in every process."""
        box = [make() if self.rank == 0 else None]
        if self.size > 1:
            dist.broadcast_object_list(box, 0)
        return box[0]

    def agree(self, *numbers):
        """The largest of each number among the processes, as floats."""
        if self.size == 1:
            return numbers
        t = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.all_reduce(t, dist.ReduceOp.MAX)
        return t.tolist()

    def total(self, rows):
        """Rows of all processes; every process has as many as this one."""
        return len(rows) * self.size

    def pick(self, rows, index, chunk=None):
        """rows[index] of all rows [n,D]: process after process for each `chunk` of a process's rows (one by default),
        the order in which one process alone has them when a chunk is a batch. index: int64, the same everywhere."""
        index = index.to(rows.device)
        if self.size == 1:
            return rows[index]
        chunk = chunk or len(rows)
        part = index.div(chunk, rounding_mode="floor")
        mine = part % self.size == self.rank
        own = rows[part.div(self.size, rounding_mode="floor") * chunk + index % chunk]
        return self.sum(torch.where(mine[:, None], own, torch.zeros_like(own)))
