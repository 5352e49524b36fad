"""What is inside emulated EC2 instances: a process for each, for as long as AWS says that the instance runs."""

import subprocess
import threading


class Computers:
    """Watches the emulator's instances; used as a context manager.

    Args:
        emulated: the emulator.
        name: prefix of the instances' `Name` tags.
        boot: returns the argument vector of what an instance of this id runs at boot.
        finished: tells whether that process, still there, has nothing left to do.
        options: for `subprocess.Popen`.
    """

    def __init__(self, emulated, name, boot, *, finished=lambda instance_id: False, **options):
        self._emulated = emulated
        self._name = name
        self._boot = boot
        self._finished = finished
        self._options = options
        self._stopping = threading.Event()
        self._lost = set()
        self._lock = threading.Lock()  # around looking at a process and doing something about it
        self.processes = {}
        self.interrupted = []  # instances that AWS was asked to stop while their process was at work
        self.most = 0

    def __enter__(self):
        self._watching = threading.Thread(target=self._watch)
        self._watching.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._watching.join()
        for process in self.processes.values():
            process.kill()
            process.wait()

    def cut(self, instance_id):
        """Take the power away: the process dies with the instance, and nobody is told."""
        with self._lock:
            self._lost.add(instance_id)
            process = self.processes.pop(instance_id)
        process.kill()
        process.wait()
        (instance,) = [one for one in self._emulated.instances(self._name) if one.id == instance_id]
        instance.terminate()

    def working(self):
        """Return the ids of the instances that have a process, in order."""
        with self._lock:
            return sorted(self.processes)

    def _watch(self):
        while not self._stopping.wait(0.05):
            for instance_id, state in self._emulated.states(self._name).items():
                with self._lock:
                    self._follow(instance_id, state)
            self.most = max(self.most, len(self.processes))

    def _follow(self, instance_id, state):
        if instance_id in self._lost:
            return
        if state == "running" and instance_id not in self.processes:
            self.processes[instance_id] = subprocess.Popen(self._boot(instance_id), **self._options)
        elif state != "running" and instance_id in self.processes:
            self._power_off(instance_id)

    def _power_off(self, instance_id):
        process = self.processes.pop(instance_id)
        if process.poll() is None:
            if not self._finished(instance_id):
                self.interrupted.append(instance_id)
            process.kill()
        process.wait()
