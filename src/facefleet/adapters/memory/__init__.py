"""The ports in memory: the reference semantics of the contract tests, lost when the process ends."""

from facefleet.adapters.memory.gallery import MemoryGallery
from facefleet.adapters.memory.keys import MemoryKeys, MemoryReceipts
from facefleet.adapters.memory.queue import MemoryQueue
from facefleet.adapters.memory.roster import MemoryRoster

__all__ = ["MemoryGallery", "MemoryKeys", "MemoryQueue", "MemoryReceipts", "MemoryRoster"]
