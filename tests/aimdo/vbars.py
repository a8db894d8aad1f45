"""What tests of pages share: a VBAR with weights of one page each, faulted in as ComfyUI's operations do it."""

import random

from comfy_aimdo.model_vbar import ModelVBAR, vbar_fault, vbar_signature_compare, vbar_unpin
from driver import PAGE


def random_bytes(size, seed):
    return random.Random(seed).randbytes(size)


class Weights:
    """`count` weights of one page each in a VBAR that is that large; signatures are kept as ComfyUI keeps them."""

    alive = []

    def __init__(self, count, device=0, pageout=None):
        self.vbar = ModelVBAR(count * PAGE, device, pageout)
        self.weights = [self.vbar.alloc(PAGE) for _ in range(count)]
        self.signatures = [None] * count
        self.alive.append(self)

    def address(self, n):
        return self.weights[n][1]

    def fault(self, n):
        """Faults a weight in: "refused", "kept" (its bytes are still there) or "new" (they must be copied)."""
        signature = vbar_fault(self.weights[n])
        if signature is None:
            return "refused"
        kept = vbar_signature_compare(signature, self.signatures[n])
        self.signatures[n] = signature
        return "kept" if kept else "new"

    def use(self, n):
        """The same, and unpins it."""
        done = self.fault(n)
        if done != "refused":
            self.unpin(n)
        return done

    def use_all(self):
        return [self.use(n) for n in range(len(self.weights))]

    def pin(self, n):
        assert vbar_fault(self.weights[n]) is not None

    def unpin(self, n):
        vbar_unpin(self.weights[n])

    def resident(self, account):
        """The pages that are there by the simulator's account; comfy-aimdo's own account must agree."""
        device = f"cuda:{self.vbar.device}"
        there = [account.bytes_at(self.vbar.base_addr + n * PAGE, PAGE) for n in range(self.vbar.get_nr_pages())]
        assert all(page in ({}, {device: PAGE}) for page in there)
        pages = [n for n, page in enumerate(there) if page]
        assert self.vbar.loaded_size() == len(pages) * PAGE
        assert pages == [n for n, state in enumerate(self.vbar.get_residency()) if state & 1]
        return pages

    def close(self):
        self.vbar.close()
        if self in self.alive:
            self.alive.remove(self)

    @classmethod
    def close_all(cls):
        for weights in list(cls.alive):
            weights.close()
