"""A small HTTP client of the service, for the commands beside it.

It waits where the service asks for it (503 with Retry-After) and turns what goes wrong into the errors of
`facefleet.errors`, rebuilt from problem+json (RFC 9457). Every request it sends may be repeated without harm: the
service enrols a photo once however often it is sent. Commands come here by `connection.connect`.
"""

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import httpx

from facefleet import config
from facefleet.cli.exits import Failure
from facefleet.core.addresses import is_loopback
from facefleet.errors import BrokenInvariant, DeadlineExceeded, FacefleetError, InvalidInput, Unavailable, from_dict

T = TypeVar("T")
R = TypeVar("R")

_TRIES = 6
_PAGE = 1000
_CONNECT_S = 5.0
# The service gives up after `request_timeout_s`; this much later there will be no answer any more.
_MARGIN_S = 30.0
_LONGEST_PAUSE_S = 10.0
_OK, _REDIRECT, _UNAVAILABLE = 200, 300, 503


class Client:
    """Talks to one service; to be used in a `with` block, from any number of threads."""

    def __init__(self, url: str, *, answer_within_s: float) -> None:
        self.url = url.rstrip("/")
        try:
            parsed = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise Failure(f"{url!r} is no address: {error}.") from error
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise Failure(f"{url!r} is no address of a service; write one like http://127.0.0.1:8000.")
        self._answer_within_s = answer_within_s
        try:
            self._http = httpx.Client(
                base_url=self.url,
                timeout=httpx.Timeout(answer_within_s, connect=_CONNECT_S, pool=None),
                # A proxy from the environment cannot know this machine's own service; certificates it may have.
                mounts={f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")},
                trust_env=parsed.scheme == "https" or not is_loopback(parsed.host),
            )
        except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
            raise Failure(
                "What the environment says of proxies and certificates (ALL_PROXY, HTTP_PROXY, NO_PROXY, SSL_CERT_FILE "
                f"and the like) cannot be used: {error}"
            ) from error
        self._given_up = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._given_up.set()
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """Read a JSON document; raises as `request` does."""
        return self.request("GET", path, query=query)

    def delete(self, path: str, **query: Any) -> Any:
        """Delete what is there; raises as `request` does."""
        return self.request("DELETE", path, query=query)

    def ask(self, path: str, photos: Mapping[str, bytes], **query: Any) -> Any:
        """Send photos by field name and return the answer, a JSON document; raises as `request` does."""
        return self.request("POST", path, query=query, photos=photos)

    def items(self, path: str) -> Iterator[Any]:
        """Yield every item of a listing, a page at a time."""
        after = None
        while True:
            page = self.get(path, after=after, limit=_PAGE)
            yield from page["items"]
            after = page["next_after"]
            if after is None:
                return

    def lines(self, path: str) -> Iterator[str]:
        """Yield the lines of a text as they come; raises as `request` does, but is tried once."""
        try:
            with self._translated(), self._http.stream("GET", path) as response:
                if not _OK <= response.status_code < _REDIRECT:
                    response.read()
                    raise _problem(response)
                yield from response.iter_lines()
        except httpx.TransportError as error:
            raise Unavailable(self._broke_off()) from error

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        photos: Mapping[str, bytes] | None = None,
        body: Any = None,
    ) -> Any:
        """Send one request, waiting as long as the service asks for it, and return the JSON document (None if empty).

        Args:
            query: parameters; those that are None are left out.
            photos: encoded images by field name; their file names stay here.

        Raises:
            FacefleetError: what the service answered.
            Unavailable: no service answers, or it is still overloaded after several tries.
            DeadlineExceeded: the service took the request and does not answer.
        """
        problem: FacefleetError
        for left in reversed(range(_TRIES)):
            response = self._send(method, path, query=query, photos=photos, body=body)
            if isinstance(response, Unavailable):
                problem, pause_s = response, 1.0
            elif response.status_code == _UNAVAILABLE:
                problem, pause_s = _problem(response), _retry_after_s(response)
            elif _OK <= response.status_code < _REDIRECT:
                return _document(response)
            else:
                raise _problem(response)
            if left == 0 or self._given_up.wait(pause_s):
                break
        raise problem

    def each(self, ask: Callable[[T], R], items: Sequence[T], *, at_once: int) -> Generator[tuple[T, R]]:
        """Yield each item with what `ask` made of it, in order, with several on the way at once.

        When the caller stops early, by Ctrl-C too, requests on the way are awaited and no others are begun.
        """
        pool = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="ask")
        try:
            futures = [pool.submit(ask, item) for item in items]
            for item, future in zip(items, futures, strict=True):
                yield item, future.result()
        except BaseException:
            self._given_up.set()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None,
        photos: Mapping[str, bytes] | None,
        body: Any,
    ) -> httpx.Response | Unavailable:
        """Return the response, or Unavailable if the connection broke, which a second try may mend."""
        try:
            with self._translated():
                return self._http.request(
                    method,
                    path,
                    params={name: value for name, value in (query or {}).items() if value is not None},
                    files={field: ("photo", data) for field, data in photos.items()} if photos else None,
                    json=body,
                )
        except httpx.TransportError:
            return Unavailable(self._broke_off())

    def _broke_off(self) -> str:
        return f"The service at {self.url} broke off the connection; see what it logged."

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise our errors for those of the connection that a second try would not mend."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unavailable(
                f"No service answers at {self.url}; start one with `facefleet up`, or say where it is with --url."
            ) from error
        except httpx.TimeoutException as error:
            raise DeadlineExceeded(
                f"The service at {self.url} gave no answer in {self._answer_within_s:.0f} s."
            ) from error


def connect(url: str | None) -> Client:
    """Return a client for this address, or for the one in the settings.

    Raises:
        WrongSettings: the address or a setting is wrong.
    """
    settings = config.load(url=url)
    return Client(settings.effective_url, answer_within_s=settings.request_timeout_s + _MARGIN_S)


def _document(response: httpx.Response) -> Any:
    try:
        return response.json() if response.content else None
    except ValueError as error:
        raise BrokenInvariant(f"{_answered(response)}, but not in JSON; is that facefleet?") from error


def _problem(response: httpx.Response) -> FacefleetError:
    try:
        document = response.json()
        code, detail = str(document["code"]), str(document["detail"])
    except (ValueError, TypeError, KeyError):
        kind = Unavailable if response.is_server_error else BrokenInvariant  # a proxy before a service that is down
        return kind(f"{_answered(response)} without saying why; is that facefleet?")
    error = from_dict({"code": code, "detail": detail})
    if isinstance(error, DeadlineExceeded):
        return DeadlineExceeded(f"{detail} See `facefleet status`: is anybody at work, and how long is the queue?")
    if isinstance(error, BrokenInvariant) and response.is_client_error:
        return InvalidInput(detail)  # the web room's own codes, such as InvalidRequest
    return error


def _answered(response: httpx.Response) -> str:
    return f"{response.url.copy_with(query=None)} answered {response.status_code}"


def _retry_after_s(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return min(float(text), _LONGEST_PAUSE_S) if text.isdecimal() else Unavailable.retry_after_s
