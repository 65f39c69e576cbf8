"""Own worker processes, as pebble keeps them."""

from pebble import ProcessPool


class QuietPool(ProcessPool):
    """A pool that ends its workers before the channel to them.

    Where the last task was stopped or killed its worker, another one is just starting in its place. If the channel went
    first, as in pebble, that worker would find it gone and say so with a traceback, though nothing is wrong.
    """

    def _stop_pool(self) -> None:
        if self._pool_manager_loop is not None:
            self._pool_manager_loop.join()
            self._pool_manager.worker_manager.force_stop_workers()
        super()._stop_pool()  # type: ignore[no-untyped-call]
