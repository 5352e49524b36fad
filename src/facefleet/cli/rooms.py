"""The rooms as asyncio programs: what `facefleet up`, `web`, `worker` and `controller` run until a signal comes.

On SIGINT or SIGTERM the order is: take no more requests, answer those that are open, stop deciding, drain the workers,
stop the database. No process is left behind; EC2 instances go on working for the controller that comes next.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Callable

from facefleet import wiring
from facefleet.config import Settings
from facefleet.ports import Roster

Ready = Callable[[str], None]  # called with the address once a photo can be sent

_LOOK_AGAIN_S = 0.05


async def up(settings: Settings, ready: Ready) -> None:
    """Run web, controller and a fleet of worker processes."""
    from facefleet.controller.housekeeper import keep_house
    from facefleet.web.backlog import watch_backlog
    from facefleet.web.server import listen, serve

    stop = _signalled()
    listener = listen(settings.host, settings.port)
    async with wiring.database(settings) as complete, wiring.ports(complete) as ports:
        service = await wiring.service(complete, ports)
        fleet = await wiring.fleet(complete, ports)
        controlling = wiring.controller(complete, ports, fleet)
        closing_web, closing_controller = asyncio.Event(), asyncio.Event()
        try:
            async with asyncio.TaskGroup() as rooms:
                web = rooms.create_task(serve(wiring.app(service, ports), listener, closing_web), name="web")
                backlog = rooms.create_task(watch_backlog(ports.queue, service.admission), name="backlog")
                rooms.create_task(controlling.run(closing_controller), name="controller")
                rooms.create_task(keep_house(wiring.chores(complete, ports), closing_controller), name="housekeeper")
                if complete.min_workers:
                    await _first_worker(ports.roster, stop)
                if not stop.is_set():
                    ready(_address(listener))
                await stop.wait()
                closing_web.set()
                await web
                backlog.cancel()
                closing_controller.set()
        finally:
            await fleet.close()
            await controlling.take_leave()


async def web(settings: Settings, ready: Ready) -> None:
    """Run the web tier alone (with the embedded database, unless one is given)."""
    from facefleet.web.backlog import watch_backlog
    from facefleet.web.server import listen, serve

    stop = _signalled()
    listener = listen(settings.host, settings.port)
    async with wiring.database(settings) as complete, wiring.ports(complete) as ports:
        service = await wiring.service(complete, ports)
        async with asyncio.TaskGroup() as rooms:
            serving = rooms.create_task(serve(wiring.app(service, ports), listener, stop), name="web")
            backlog = rooms.create_task(watch_backlog(ports.queue, service.admission), name="backlog")
            ready(_address(listener))
            await serving
            backlog.cancel()


async def controller(settings: Settings) -> None:
    """Run the controller and the fleet it commands."""
    from facefleet.controller.housekeeper import keep_house

    stop = _signalled()
    complete = wiring.running_database(settings)
    async with wiring.ports(complete) as ports:
        fleet = await wiring.fleet(complete, ports)
        controlling = wiring.controller(complete, ports, fleet)
        try:
            async with asyncio.TaskGroup() as rooms:
                rooms.create_task(controlling.run(stop), name="controller")
                rooms.create_task(keep_house(wiring.chores(complete, ports), stop), name="housekeeper")
        finally:
            await fleet.close()
            await controlling.take_leave()


async def worker(settings: Settings, worker_id: str, parent: int | None) -> None:
    """Run one worker; with `parent` (a process id) it drains once that process is gone."""
    stop = _signalled()
    complete = wiring.running_database(settings)
    async with wiring.ports(complete) as ports:
        orphaned = (lambda: False) if parent is None else (lambda: os.getppid() != parent)
        await wiring.worker(complete, ports, worker_id=worker_id, orphaned=orphaned).run(stop)


async def _first_worker(roster: Roster, stop: asyncio.Event) -> None:
    while not stop.is_set() and not await roster.reports():  # noqa: ASYNC110 workers are other processes
        await asyncio.sleep(_LOOK_AGAIN_S)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _signalled() -> asyncio.Event:
    """Return an event that the first signal sets. A second one ends the process where it stands.

    Even then nothing is lost: workers see that their parent is gone and drain, and the next start adopts the database.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def heard(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, heard, number)
    return stop
