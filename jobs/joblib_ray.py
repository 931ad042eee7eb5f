"""A joblib backend for Ray that shares data between tasks. One file; it needs only Ray and joblib.

    import joblib, joblib_ray
    joblib_ray.register()                       # under the name "ray", instead of Ray's own
    with joblib.parallel_config("ray"):         # n_jobs defaults to -1: every CPU of the cluster
        RandomizedSearchCV(...).fit(X, y)

Compared with Ray's own backend (ray.util.joblib, Ray 2.47 to 2.60):

- An array, data frame or sparse matrix of at least 100 KiB that tasks share is stored once per node and read without
  copying. It is recognized by identity and freed when the call ends, so it must not change during the call.
- A batch runs on whichever worker is free. Batches grow until one takes 200 ms, as with joblib's own processes.
- A worker is an actor with one CPU (`ray_remote_args` changes that), so none starts on a head node without CPUs.
  Workers are spread over the nodes, shared by all calls, and end after 10 seconds without work.
- If a worker dies, with its node or alone, its batches run again on others; a batch that loses four workers fails.
- If a task fails because shared data is read-only, its batch runs again with a copy that it may write to.

What joblib promises for its own processes holds: exceptions keep their type and their remote traceback, `timeout`,
`return_as`, `verbose`, `pre_dispatch` and nested calls work, and results are writable. Nothing waits forever: a call
that can't continue raises `NoWorkers`, `WorkerLost` or `RayStopped`.

How it works: a `_Call` for each call of joblib pickles tasks, stores what they share, and hands results to joblib. A
`_Pool` owns the workers; only its thread touches them, and it does what others `post`. A worker is a `JoblibWorker`.
"""

from __future__ import annotations

import collections
import contextlib
import copy
import io
import itertools
import logging
import os
import pickle
import queue
import sys
import threading
import time
import traceback
import warnings
import weakref

import joblib
import ray
from joblib._parallel_backends import (  # joblib's documented way to write a backend, in a private module
    AutoBatchingMixin,
    FallbackToBackend,
    ParallelBackendBase,
    SequentialBackend,
)
from ray import cloudpickle
from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    WorkerCrashedError,
)

SHARED = 100 * 1024  # bytes; Ray sends smaller values with each task anyway (max_direct_call_object_size)
DEFAULT_MAX_NBYTES = 1024 * 1024  # joblib's own default; a larger max_nbytes is used instead of SHARED
LIBRARIES = frozenset({"numpy", "pandas", "scipy", "pyarrow", "polars"})
COPIES = ("c", "w+", "r+")  # of joblib's mmap_mode: tasks may write
LOST = (RayActorError, ObjectLostError, WorkerCrashedError, NodeDiedError, OutOfMemoryError)
ATTEMPTS = 4  # workers that one batch may lose, and workers that may fail to start in a row
SHORT = 0.05  # seconds; a worker gets the next batch in advance only if batches are shorter
TICK = 0.5  # seconds between checks of what no event reports, such as a cluster without free CPUs
SPANS = 10_000  # batches that a call remembers for `last_call`

log = logging.getLogger("joblib_ray")


class WorkerLost(RuntimeError):
    """A batch was lost too often: each worker that ran it died, for instance because it ran out of memory."""


class NoWorkers(RuntimeError):
    """No worker started: the cluster has no free CPU for one, or each failed."""


class RayStopped(RuntimeError):
    """Ray was shut down during the call."""


class RemoteTraceback(Exception):
    """The traceback of an exception in a worker, as that exception's `__cause__`."""

    def __init__(self, text):
        super().__init__(text)
        self.text = text

    def __str__(self):
        return f'\n"""\n{self.text}"""'


def register(name="ray", make_default=False):
    """Register the backend with joblib."""
    joblib.register_parallel_backend(name, RayBackend, make_default=make_default)
    _names.add(name)


def last_call():
    """What the last finished call did: a dict, empty before the first.

    workers, batches, tasks; reruns (batches whose worker died), copies (batches that ran again because shared data is
    read-only); shared (objects) and shared_bytes; spans: (node id, start, end, tasks) of each batch, in Unix seconds.
    """
    return dict(_last)


def shutdown():
    """End the idle workers now, so that others can use their CPUs, instead of after `idle_seconds`."""
    for pool in list(_pools.values()):
        done = threading.Event()
        pool.post(pool.retire, 0.0, done)
        done.wait(10)


_names, _last, _pools = set(), {}, {}
_lock = threading.RLock()  # of `_pools`, and of the backends' `_call`


class RayBackend(AutoBatchingMixin, ParallelBackendBase):
    """joblib's side: what joblib calls to run one `Parallel` call after another.

    ray_remote_args: options of the workers' actors, such as num_cpus, resources or runtime_env.
    initializer, initargs: a function that each worker calls first, as with joblib's own processes.
    idle_seconds: how long a worker without work is kept for the next call; it holds its CPU meanwhile.
    wait_seconds: how long a call waits for a first worker before it raises NoWorkers.
    """

    default_n_jobs = -1
    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    uses_threads = False
    supports_sharedmem = False

    def __init__(
        self,
        nesting_level=None,
        inner_max_num_threads=None,
        ray_remote_args=None,
        initializer=None,
        initargs=(),
        idle_seconds=10.0,
        wait_seconds=600.0,
    ):
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self.options = {"num_cpus": 1, "scheduling_strategy": "SPREAD", **(ray_remote_args or {})}
        self.setup = initializer and (initializer, tuple(initargs))
        self.idle_seconds, self.wait_seconds = idle_seconds, wait_seconds
        self._call = None

    def __reduce__(self):
        own = (self.nesting_level, self.inner_max_num_threads, self.options, *(self.setup or (None, ())))
        return RayBackend, (*own, self.idle_seconds, self.wait_seconds)

    def effective_n_jobs(self, n_jobs):
        """The number of workers for n_jobs; -1 is one for each that the cluster's nodes have room for."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None or self.nesting_level:
            return 1
        return n_jobs if n_jobs > 0 else max(self._capacity() + 1 + n_jobs, 1)

    def _capacity(self):
        """The workers that the cluster has room for. Waits for the first; raises NoWorkers after wait_seconds."""
        if not ray.is_initialized():
            ray.init()
        deadline, warned = time.monotonic() + self.wait_seconds, False
        while not (count := _room(self.options)):
            if time.monotonic() > deadline:
                raise NoWorkers(_no_room(self.options, self.wait_seconds))
            if not warned:
                log.warning("waiting for a node with %s", _demand_text(self.options))
            warned = True
            time.sleep(TICK)
        return count

    def configure(
        self, n_jobs=1, parallel=None, prefer=None, require=None, initializer=None, initargs=(), **memory
    ):
        """Prepare for a call. With n_jobs=1, or inside another call, it runs in this process."""
        if n_jobs == 1 or self.nesting_level:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        count = self.effective_n_jobs(n_jobs)
        with _lock:
            if self._call is not None:  # `parallel_config` gives all calls in its block the same backend
                raise FallbackToBackend(self._twin())
            self.parallel = parallel
            self.setup = self.setup if initializer is None else (initializer, tuple(initargs))
            self._arguments = {"n_jobs": n_jobs, "parallel": parallel, **memory}
            self._call = _Call(self, count, memory)
        return max(count, 2)  # joblib would run n_jobs=-1 on a single worker in this process instead

    def threads(self):
        """How many threads a task's numerical libraries may use, as for joblib's own processes: the worker's CPUs."""
        return self.inner_max_num_threads or max(int(self.options.get("num_cpus") or 0), 1)

    def _twin(self):
        rebuild, arguments = self.__reduce__()
        return rebuild(*arguments)

    def submit(self, func, callback=None):
        """Run a batch of tasks; `callback` gets its outcome."""
        call = self._call
        return call.submit(func, callback) if call is not None else None  # None: the call has been aborted

    apply_async = submit  # its name before joblib 1.5

    def retrieve_result_callback(self, out):
        """The results of a batch. Raises what a task raised."""
        return out.result()

    def stop_call(self):
        """End a call: what it shared is freed."""
        if self._call is not None:
            self._call.report()
            self._call.shares.clear()

    def terminate(self):
        """Leave the workers to other calls; end those that still run batches of this one."""
        with _lock:
            call, self._call = self._call, None
        if call is not None:
            call.close()
        self.reset_batch_stats()

    def abort_everything(self, ensure_ready=True):
        """End the batches that run, with their workers."""
        self.terminate()
        if ensure_ready:
            self.configure(**self._arguments)


def _demand(options):
    """What a worker reserves on its node, by resource."""
    wanted = {"CPU": options.get("num_cpus"), "GPU": options.get("num_gpus"), "memory": options.get("memory")}
    wanted.update(options.get("resources") or {})
    return {name: amount for name, amount in wanted.items() if amount}


def _demand_text(options):
    return ", ".join(f"{amount:g} {name}" for name, amount in _demand(options).items()) or "any resources"


def _room(options):
    """The number of workers that fit on the nodes of the cluster, whatever else runs there."""
    demand, count = _demand(options), 0
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            fits = (int(has.get(name, 0) / amount) for name, amount in demand.items())
            count += min(fits, default=int(has.get("CPU", 0)))
    return count


def _no_room(options, seconds):
    return (
        f"No worker started within {seconds:g} s: no node of the cluster has {_demand_text(options)} free. "
        "Start nodes, stop what uses them, or change ray_remote_args."
    )


class _Batch:
    """Pickled tasks of a call, and their outcome."""

    def __init__(self, call, callback, tasks):
        self.call, self.callback, self.tasks = call, callback, tasks
        self.data, self.refs = b"", {}  # refs: the shared objects, by key
        self.lost = 0  # workers that died while they ran it
        self.value = self.failure = self.error = None

    def finish(self, error=None, value=None, failure=None):
        """Set the outcome: an exception of ours, pickled results, or a task's pickled exception and traceback."""
        self.error, self.value, self.failure = error, value, failure
        self.data, self.refs = b"", {}
        self.call.finished.put(self)

    def result(self):
        """The results. Raises the error of a task, or of the batch."""
        if self.error is not None:
            raise self.error
        if self.failure is None:
            return pickle.loads(self.value)
        data, text = self.failure
        try:
            error = pickle.loads(data)
        except Exception as why:
            error = RuntimeError(f"a task's exception can't be read here ({why})")
        raise error from RemoteTraceback(text)


class _Call:
    """A `Parallel` call, or the calls of one `with Parallel()` block.

    joblib's threads call `submit`, `report` and `close`. A thread of the call's own hands outcomes to joblib: that may
    take long, since joblib then takes the next tasks from the user's generator.
    """

    def __init__(self, backend, n_jobs, memory):
        most = memory.get("max_nbytes", DEFAULT_MAX_NBYTES)
        mode = memory.get("mmap_mode", "r")
        self.n_jobs, self.wait_seconds = n_jobs, backend.wait_seconds
        self.shares = _Shares(
            None if most is None or mode is None else max(SHARED, most * (most > DEFAULT_MAX_NBYTES))
        )
        self.copy_all = mode in COPIES
        self.copied = set()  # keys of shared objects that tasks have tried to write to
        self.waiting = collections.deque()
        self.finished = queue.SimpleQueue()
        # With return_as="generator_unordered", a result must not wait behind a batch that takes long.
        self.in_advance = getattr(backend.parallel, "return_ordered", True)
        self.mean = None  # seconds of a batch, smoothed
        self.counts, self.workers = collections.Counter(), set()
        self.spans = collections.deque(maxlen=SPANS)
        self.closed = False
        self.pool = _pool(backend)
        self.pool.post(self.pool.open, self, backend.idle_seconds)
        threading.Thread(target=self._deliver, name="joblib_ray call", daemon=True).start()

    def submit(self, func, callback):
        batch = _Batch(self, callback, len(getattr(func, "items", (func,))))
        try:
            batch.data, batch.refs = self.shares.pickled(func)
        except Exception as error:
            failed = pickle.PicklingError("Could not pickle the task to send it to the workers.")
            failed.__cause__ = error
            batch.finish(failed)
        else:
            self.pool.post(self.pool.add, batch)
        return batch

    def _deliver(self):
        """Hand finished batches to joblib until the call is closed."""
        while (batch := self.finished.get()) is not None:
            try:
                if batch.callback is not None:
                    batch.callback(batch)
            except BaseException as error:
                _raise_in(batch.callback, error)
            batch = None

    def record(self, batch, worker, copied, node, start, end):
        """Count a batch that ran."""
        seconds = end - start
        self.mean = seconds if self.mean is None else 0.8 * self.mean + 0.2 * seconds
        self.counts.update(batches=1, tasks=batch.tasks, copies=copied)
        self.workers.add(worker)
        self.spans.append((node, start, end, batch.tasks))

    def report(self):
        """Set what `last_call` returns."""
        counts = {name: self.counts[name] for name in ("batches", "tasks", "reruns", "copies")}
        shared = {"shared": self.shares.count, "shared_bytes": self.shares.bytes}
        found = {"workers": len(self.workers), **counts, **shared, "spans": list(self.spans)}
        _last.clear()
        _last.update(found)
        for one in (self.counts, self.workers, self.spans):
            one.clear()

    def close(self):
        self.closed = True
        self.shares.clear()
        self.pool.post(self.pool.close, self)
        self.finished.put(None)


def _raise_in(callback, error):
    """Let joblib raise an error of its own callback, as it does with errors of the task generator."""
    try:
        parallel = callback.parallel
        tracker = type(callback)(0, 1, parallel)
        parallel._register_new_job(tracker)
        tracker._register_outcome({"result": error, "status": "Error"})
    except Exception:
        log.exception("joblib's callback failed: %r", error)


def _pool(backend):
    """The workers for a backend's options on the current cluster. Pools of earlier clusters end."""
    if not ray.is_initialized():
        ray.init()
    session = _session()
    setup = cloudpickle.dumps((backend.threads(), tuple(sorted(_names)), backend.setup))
    kind = session, repr(sorted(backend.options.items(), key=str)), setup
    with _lock:
        for known, pool in list(_pools.items()):
            if known[0] != session:
                del _pools[known]
                pool.post(pool.end)
            elif known != kind:
                pool.post(pool.retire, 0.0)  # or its idle workers would hold CPUs that the new ones need
        if kind not in _pools:
            _pools[kind] = _Pool(session, backend.options, setup)
        return _pools[kind]


def _session():
    """What tells one connection to a cluster from the next, or None."""
    try:
        context = ray.get_runtime_context()
        return context.get_node_id(), context.get_job_id()
    except Exception:
        return None


class _Worker:
    """An actor and the batches that it has been given, in the order in which they run."""

    def __init__(self, actor):
        self.actor = actor
        self.ready = self.dead = False
        self.running = collections.deque()
        self.since = time.monotonic()  # when it last got or lost a batch

    def runs(self, call):
        return any(batch.call is call for batch in self.running)


class _Pool:
    """The workers that calls with the same options share. Other threads only call `post`."""

    def __init__(self, session, options, setup):
        self.session, self.options, self.setup = session, options, setup
        self.events = queue.SimpleQueue()
        self.calls, self.workers = [], []
        self.idle_seconds = 0.0
        self.failed_starts = 0  # in a row
        self.starved = None  # since when batches wait while no worker is ready
        self.ended = False
        threading.Thread(target=self._serve, name="joblib_ray pool", daemon=True).start()

    def post(self, function, *arguments):
        """Have the pool's thread call a function."""
        self.events.put((function, arguments))

    def _serve(self):
        """Handle events, and check each TICK. An unexpected error fails all calls, so that none waits forever."""
        check = time.monotonic() + TICK
        while not self.ended:
            try:
                with contextlib.suppress(queue.Empty):
                    function, arguments = self.events.get(
                        timeout=TICK if self.calls or self.workers else None
                    )
                    function(*arguments)
                    function = arguments = None
                if time.monotonic() >= check:
                    self._check()
                    check = time.monotonic() + TICK
                self._fill()
                self._dispatch()
            except BaseException as error:
                function = arguments = None
                self._fail_everything(error)

    # Events.

    def open(self, call, idle_seconds):
        self.idle_seconds, self.failed_starts = idle_seconds, 0
        self.calls.append(call)

    def add(self, batch):
        if not batch.call.closed:
            batch.call.waiting.append(batch)

    def close(self, call):
        """Forget a call. Workers that run its batches end; batches of other calls on them run again."""
        if call in self.calls:
            self.calls.remove(call)
        call.waiting.clear()
        for worker in [one for one in self.workers if one.runs(call)]:
            self._drop(worker)

    def retire(self, seconds, done=None):
        """End workers that have had no work for some seconds, unless batches wait for one."""
        now = time.monotonic()
        if not any(call.waiting for call in self.calls):
            for worker in [one for one in self.workers if not one.running and now - one.since >= seconds]:
                self._drop(worker)
        if done is not None:
            done.set()

    def end(self):
        self._fail_everything(RayStopped("Ray was shut down during the call."))
        self.ended = True

    def _answer(self, worker, batch, future):
        """Record that a worker has started (batch is None) or run a batch."""
        if worker.dead:
            return
        error = future.exception()
        if isinstance(error, LOST) or (error is not None and batch is None):
            self._lost(worker, error)
        elif batch is None:
            worker.ready, self.failed_starts = True, 0
        else:
            worker.running.remove(batch)
            worker.since = time.monotonic()
            if not batch.call.closed:
                self._finish(worker, batch, error, future)

    # What the pool's thread does.

    def _finish(self, worker, batch, error, future):
        if error is not None:
            batch.finish(error)
            return
        value, failure, copied, *span = future.result()
        if copied:
            batch.call.copied.update(batch.refs)
        batch.call.record(batch, worker, copied, *span)
        batch.finish(None, value, failure)

    def _check(self):
        """End idle workers; fail calls that no worker will serve."""
        if not ray.is_initialized() or _session() != self.session:
            self._fail_everything(RayStopped("Ray was shut down during the call."))
            return
        self.retire(self.idle_seconds)
        waiting = [call for call in self.calls if call.waiting]
        if not waiting or any(worker.ready for worker in self.workers):
            self.starved = None
            return
        self.starved = self.starved or time.monotonic()
        for call in waiting:
            if time.monotonic() - self.starved > call.wait_seconds:
                self._fail(call, NoWorkers(_no_room(self.options, call.wait_seconds)))

    def _fill(self):
        """Start as many workers as the calls need."""
        busy = [call for call in self.calls if call.waiting]
        if not busy or self.failed_starts >= ATTEMPTS:
            return
        batches = sum(len(call.waiting) for call in busy) + sum(len(one.running) for one in self.workers)
        for _ in range(min(max(call.n_jobs for call in busy), batches) - len(self.workers)):
            with _by_value():
                actor = _actor_class().options(**self.options).remote(self.setup)
            worker = _Worker(actor)
            self.workers.append(worker)
            self._watch(actor.ready.remote(), worker, None)

    def _watch(self, ref, worker, batch):
        ref.future().add_done_callback(lambda future: self.post(self._answer, worker, batch, future))

    def _dispatch(self):
        """Give waiting batches to free workers. Calls take turns."""
        served = True
        while served:
            served = False
            for call in [one for one in self.calls if one.waiting]:
                worker = self._free_worker(call)
                if worker is not None:
                    served = True
                    self.calls.remove(call)
                    self.calls.append(call)
                    self._send(worker, call.waiting.popleft())

    def _free_worker(self, call):
        """The worker with the fewest batches, or None. A call uses at most its n_jobs workers."""
        depth = 2 if call.in_advance and call.mean is not None and call.mean < SHORT else 1
        mine = {worker for worker in self.workers if worker.runs(call)}
        full = len(mine) >= call.n_jobs
        free = [
            worker
            for worker in self.workers
            if worker.ready and len(worker.running) < depth and (worker in mine or not full)
        ]
        return min(free, key=lambda worker: len(worker.running), default=None)

    def _send(self, worker, batch):
        """Run a batch on a worker. The shared objects are arguments, so Ray brings them to its node once."""
        keys = tuple(batch.refs)
        copies = keys if batch.call.copy_all else tuple(batch.call.copied.intersection(keys))
        try:
            ref = worker.actor.run.remote((batch.data, keys, copies), *batch.refs.values())
        except Exception as error:  # for instance: the object store is full
            batch.finish(error)
            return
        worker.running.append(batch)
        worker.since = time.monotonic()
        self._watch(ref, worker, batch)

    def _lost(self, worker, error):
        """Replace a worker that died. Its batches run again, unless the first has lost too many."""
        batch = worker.running[0] if worker.running else None
        if batch is not None:
            batch.lost += 1
            batch.call.counts["reruns"] += 1
            if batch.lost >= ATTEMPTS:
                worker.running.popleft()
                batch.finish(
                    WorkerLost(
                        f"{ATTEMPTS} workers died while they ran the same tasks, the last because: {error}"
                    )
                )
        self.failed_starts += not worker.ready
        self._drop(worker)
        if self.failed_starts >= ATTEMPTS and not self.workers:
            self.failed_starts = 0
            for call in list(self.calls):
                self._fail(call, NoWorkers(f"No worker starts, the last because: {error}"))

    def _drop(self, worker):
        """End a worker. Its batches wait again, unless their call is closed."""
        worker.dead = True
        self.workers.remove(worker)
        for batch in reversed(worker.running):
            if not batch.call.closed:
                batch.call.waiting.appendleft(batch)
        worker.running.clear()
        with contextlib.suppress(Exception):  # it may have died, or Ray may have been shut down
            if ray.is_initialized() and _session() == self.session:
                ray.kill(worker.actor)

    def _fail(self, call, error):
        """Fail the batches of a call that wait."""
        batches = list(call.waiting)
        call.waiting.clear()
        for batch in batches:
            batch.finish(error)

    def _fail_everything(self, error):
        for worker in list(self.workers):
            self._drop(worker)
        for call in list(self.calls):
            self._fail(call, error)


class _Shares:
    """The objects that the batches of a call share, by identity, each in Ray's object store once."""

    def __init__(self, least):
        self.least = least  # bytes; None: share nothing
        self.by_id = {}  # id → (weak reference, key)
        self.refs = {}
        self.count = self.bytes = 0

    def pickled(self, value):
        """The value pickled without the objects that it shares, and their references by key."""
        buffer = io.BytesIO()
        pickler = _Pickler(buffer, self)
        pickler.dump(value)
        return buffer.getvalue(), pickler.found

    def find(self, value):
        """The key and reference of an object that is worth sharing, or None."""
        if self.least is None or type(value).__module__.partition(".")[0] not in LIBRARIES:
            return None
        known = self.by_id.get(id(value))
        if known is None or known[0]() is not value:
            size = _size(value)
            if size < self.least:
                return None
            known = self._put(value, size)
        return known[1], self.refs[known[1]]

    def _put(self, value, size):
        key, identity = next(_keys), id(value)
        # A memory map travels as a plain array; a worker may not have its file.
        plain = sys.modules["numpy"].asarray(value) if type(value).__name__ == "memmap" else value
        self.refs[key] = ray.put(plain)
        self.count, self.bytes = self.count + 1, self.bytes + size
        try:
            weak = weakref.ref(value, lambda _: self._drop(identity, key))
        except TypeError:  # kept until the call ends
            weak = _Kept(value)
        self.by_id[identity] = weak, key
        return weak, key

    def _drop(self, identity, key):
        """Free an object that only batches on their way still need, such as a slice made for one task."""
        if self.by_id.get(identity, (None, None))[1] == key:
            self.by_id.pop(identity, None)
        self.refs.pop(key, None)

    def clear(self):
        self.by_id.clear()
        self.refs.clear()
        self.count = self.bytes = 0


_keys = itertools.count()


class _Kept:
    """Stands for a weak reference to an object that allows none."""

    def __init__(self, value):
        self.value = value

    def __call__(self):
        return self.value


class _Pickler(cloudpickle.CloudPickler):
    """Pickles a batch. Ray's cloudpickle includes functions of the script itself."""

    def __init__(self, file, shares):
        super().__init__(file, protocol=5)
        self._shares, self.found = shares, {}  # found keeps the references while the batch needs them

    def persistent_id(self, value):
        known = self._shares.find(value)
        if known is None:
            return None
        self.found[known[0]] = known[1]
        return known[0]


def _size(value):
    """The size in bytes of an array, data frame, sparse matrix or table; 0 for anything else."""
    try:
        if isinstance(value, type):
            return 0
        if hasattr(value, "nbytes"):
            return int(value.nbytes)
        if hasattr(value, "memory_usage"):
            return int(value.memory_usage().sum())
        if hasattr(value, "estimated_size"):
            return int(value.estimated_size())
        parts = (
            getattr(value, name, None) for name in ("data", "indices", "indptr", "row", "col", "offsets")
        )
        return sum(int(getattr(part, "nbytes", 0)) for part in parts)
    except Exception:
        return 0


@contextlib.contextmanager
def _by_value():
    """Have Ray send the workers' code itself, since the nodes need not have this file."""
    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def _actor_class():
    """The workers' class. Made on first use, since importing this file must not start Ray."""
    global _remote
    if _remote is None:
        _remote = ray.remote(max_restarts=0, max_task_retries=0)(JoblibWorker)
    return _remote


_remote = None


class JoblibWorker:
    """A worker's side: runs one batch after the other."""

    def __init__(self, setup):
        threads, names, initializer = pickle.loads(setup)
        self.node = ray.get_runtime_context().get_node_id()
        self.limit = _limit_threads(threads)
        for name in names:  # for nested calls that name the backend
            joblib.register_parallel_backend(name, _nested_backend)
        if initializer is not None:
            function, arguments = initializer
            function(*arguments)

    def ready(self):
        return True

    def run(self, arguments, *values):
        """Run a batch. Returns its pickled results or its failure, whether it had to be copied, node, start and end."""
        data, keys, copies = arguments
        start = time.time()
        value = failure = None
        copied = False
        try:
            objects = dict(zip(keys, values, strict=True))
            objects.update((key, copy.deepcopy(objects[key])) for key in copies)
            results, copied = _run(data, objects, can_copy=len(copies) < len(keys))
            if copied:
                objects = {key: copy.deepcopy(one) for key, one in zip(keys, values, strict=True)}
                results, _ = _run(data, objects, can_copy=False)
            value = _pickled_results(results)
        except BaseException as error:
            failure = _portable(error)
        return value, failure, copied, self.node, start, time.time()


class _ResultPickler(cloudpickle.CloudPickler):
    """Pickles results. Arrays that are views of shared ones become writable."""

    def reducer_override(self, value):
        if (
            type(value).__module__ == "numpy"
            and type(value).__name__ == "ndarray"
            and not value.flags.writeable
        ):
            return value.copy(order="K").__reduce_ex__(5)
        return super().reducer_override(value)


def _pickled_results(results):
    buffer = io.BytesIO()
    _ResultPickler(buffer, protocol=5).dump(results)
    return buffer.getvalue()


def _nested_backend(nesting_level=None, **options):
    """The backend in a worker for nested calls: all CPUs are busy with the outer one."""
    return SequentialBackend(nesting_level=nesting_level)


class _Unpickler(pickle.Unpickler):
    def __init__(self, data, objects):
        super().__init__(io.BytesIO(data))
        self._objects = objects

    def persistent_load(self, key):
        return self._objects[key]


def _run(data, objects, can_copy):
    """The results of a batch, and whether it failed because shared data is read-only, if copies would help."""
    if not can_copy:
        return _Unpickler(data, objects).load()(), False
    try:
        with _noticing() as noticed:
            results = _Unpickler(data, objects).load()()
    except (ValueError, TypeError, BufferError) as error:
        if not any(_is_read_only(one) for one in _chain(error)):
            raise
        return None, True
    return results, bool(noticed) or any(_is_read_only(one.get("fit_error")) for one in _dicts(results))


@contextlib.contextmanager
def _noticing():
    """Notice, and hold back, warnings that data is read-only. scikit-learn turns such errors into scores of NaN.

    Neither recording nor showwarning would do: most notebooks ignore warnings, and Python shows each only once.
    """
    noticed, original = [], warnings.warn

    def warn(message, category=None, stacklevel=1, *others, **more):
        if _is_read_only(message):
            noticed.append(message)
        else:
            original(message, category, stacklevel + 1, *others, **more)

    warnings.warn = warn
    try:
        yield noticed
    finally:
        warnings.warn = original


def _dicts(results):
    return (one for one in results if isinstance(one, dict)) if isinstance(results, list) else ()


def _chain(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_read_only(message):
    text = str(message)
    return "read-only" in text or "WRITEABLE" in text


def _portable(error):
    """A pickled exception, and its traceback as text. An exception that can't be pickled becomes a RuntimeError."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    error.__traceback__ = None
    try:
        data = cloudpickle.dumps(error)
        cloudpickle.loads(data)
    except Exception:
        data = cloudpickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return data, text


def _limit_threads(count):
    """Limit the threads of numerical libraries, loaded or not. Ray sets OMP_NUM_THREADS only, and often too late."""
    for name in ParallelBackendBase.MAX_NUM_THREADS_VARS:
        os.environ[name] = str(count)
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return None
    return threadpool_limits(count)
