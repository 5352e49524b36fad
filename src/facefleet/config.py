"""Every setting, with its default, from four places: arguments, then environment, then a TOML file, then the default.

This is the one module that reads the environment. Each setting is `FACEFLEET_<NAME>` there and `<name>` in the file
(`--config FILE`, or `facefleet.toml` in the working directory). `docs/settings.md` says the same in prose.

It is long because it is a list, two lines a setting, in one class: what depends on what is checked over all of them.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

import platformdirs
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from facefleet.core.addresses import Address, Network, address_and_port, is_loopback, listed, networks
from facefleet.errors import InvalidInput, WrongSettings

_PREFIX = "FACEFLEET_"
_NAMED = "FACEFLEET_CONFIG"
_OUT_OF_RANGE = {"less_than", "less_than_equal", "greater_than", "greater_than_equal"}  # pydantic's names
_FILE = "facefleet.toml"
_file: ContextVar[Path] = ContextVar("file that settings are being read from", default=Path(os.devnull))
# The course's limit: an account's default quota of 20 instances, less the web tier's.
_MOST_INSTANCES = 19
_AWS_CHARGES_S = 60.0  # for every start of an instance, at least (Amazon EC2 On-Demand pricing, per-second billing)


class Settings(BaseSettings):
    """The service's settings; frozen once read."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )

    # Where it listens and keeps things
    host: str = Field("127.0.0.1", description="Address the web tier listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port the web tier listens on; 0 takes a free one.")
    data: Path = Field(
        Path(platformdirs.user_data_dir("facefleet")),
        description="Folder of the embedded database and store.",
    )
    cache: Path = Field(
        Path(platformdirs.user_cache_dir("facefleet")),
        description="Folder of the converted models; may be deleted at any time.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL 14+ with pgvector 0.8+ to use instead of the embedded server (`postgresql://…`), "
        "or the `database.pem` of another machine's (`file:///…`).",
    )
    database_listen: str | None = Field(
        None, description="Where the embedded server lets other machines in, over TLS (`10.0.1.5:5433`)."
    )
    database_clients: str = Field(
        "", description="Networks that it lets in there, separated by commas (`10.0.0.0/16`)."
    )
    store_url: str | None = Field(
        None,
        description="Where one database's photos, answers and crops are (`file:///…`); default: a folder in `data`.",
    )

    inputs_url: str | None = Field(None, description="Where photos are kept, if not in the store (`s3://…`).")
    outputs_url: str | None = Field(None, description="Where answers are kept, if not in the store (`s3://…`).")

    # On AWS
    profile: Literal["aws"] | None = Field(
        None, description="`aws` takes queues, buckets and instances of the course's names; needs `name`."
    )
    name: str | None = Field(
        None, pattern=r"^[a-z0-9][a-z0-9-]{1,40}$", description="What the names of the AWS resources begin with."
    )
    create: bool = Field(default=False, description="Make the request queue and the buckets if they are absent.")
    queue_url: str | None = Field(
        None,
        pattern=r"^sqs://[\w-]{1,60}$",
        description="SQS queue of requests to use instead of PostgreSQL (`sqs://…`).",
    )
    response_queue: str = Field(
        "", description="SQS queue of responses for the only web node; default: each node makes its own."
    )
    key_naming: Literal["job", "filename"] = Field(
        "job",
        description="What photos sent to `POST /` and their answers are called in the end: by job or by file name.",
    )
    kms_key: str | None = Field(None, description="KMS key that encrypts the buckets' objects; default: S3's own.")
    fleet_url: str | None = Field(
        None,
        pattern="^ec2://",
        description="EC2 instances to work on (`ec2://NAME?template=…`); default: processes on this machine.",
    )
    warm: int | None = Field(
        None, ge=0, description="Stopped instances to keep; more are terminated; default: `max_workers`."
    )

    # Who may call the Rekognition interface
    anonymous: bool = Field(
        default=False, description="Answer unsigned Rekognition requests; only while listening on this machine alone."
    )
    key_file: Path | None = Field(
        None, description="File whose key seals secrets and signs paging tokens; web nodes share it."
    )
    s3_buckets: str = Field("", description="S3 buckets that an S3Object may name, separated by commas; `*` is any.")

    # The fleet
    min_workers: int = Field(1, ge=0, description="Workers kept running with no work at all; default on EC2: 0.")
    max_workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Most workers; default: the number of cores, or 19 instances.",
    )
    policy: str = Field("facefleet", description="Scaling rule: how many workers for how much work.")
    slo: str = Field(
        "2s", description="How long a request may wait for a worker (`250ms`, `2s`, `1m`; `0s`: all workers, always)."
    )
    slo_percent: float = Field(99.0, ge=50, le=99.99, description="Percentage of requests for which `slo` must hold.")
    budget: str | None = Field(
        None,
        description="Most to spend on workers (`3/h`, `20/d`, `500/month`); needs `worker_price_per_hour` and the "
        "policy `facefleet`.",
    )
    worker_price_per_hour: float = Field(0.0, ge=0, description="What a worker costs an hour; 0 is unknown.")
    minimum_bill_s: float = Field(
        30.0,
        ge=0,
        description="Seconds counted for every start of a worker at least, which our rule lets it stay; default on "
        "EC2: 60, as AWS charges.",
    )
    bill_granularity_s: float = Field(1.0, ge=0.001, description="Charged time is rounded up to a multiple of this.")
    managed_price_per_1000: float = Field(
        1.0, ge=0, description="What a managed face API charges for 1,000 photos, in the currency of a worker's price."
    )
    leader: Literal["database", "store"] = Field(
        "database",
        description="What makes one controller lead: a lock of the database, or a lease in the store, which is on S3.",
    )
    tick_s: float = Field(
        1.0, gt=0, le=60, description="Seconds between two looks of the controller at the queue; 60 at most."
    )

    # Requests
    lease_s: float = Field(30.0, gt=0, description="Seconds after which a silent worker's request goes to another.")
    max_receives: int = Field(3, ge=1, description="Attempts before a request goes to the dead letters.")
    batch_size: int = Field(4, ge=1, le=64, description="Most photos a worker takes at a time.")
    request_timeout_s: float = Field(
        60.0, gt=0, description="Longest a client waits on the line for its answer; longer than `lease_s`."
    )
    max_image_bytes: int = Field(15 * 2**20, gt=0, description="Largest photo in bytes.")
    max_image_pixels: int = Field(50_000_000, gt=0, description="Largest photo in pixels (width x height).")
    collection: str = Field("default", description="Collection used where a request names none.")
    threshold: float = Field(70.0, ge=0, le=100, description="Similarity from which a face is named.")
    retention_days: float = Field(
        7.0, ge=0, description="Days that photos and answers are kept; 0 keeps nothing after the answer."
    )

    # The program
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level to log.")
    log_json: bool = Field(default=False, description="Log JSON lines instead of text for people.")
    url: str | None = Field(None, description="Where the command-line client finds the service.")

    @model_validator(mode="before")
    @classmethod
    def _on_aws(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Fill in what the profile says, and how many instances a fleet has."""
        filled = {name: value for name, value in given.items() if value is not None}
        if filled.get("profile") == "aws":
            if "name" not in filled:
                raise ValueError("profile aws needs a name: --name ID")
            filled = _course(filled["name"]) | filled
        if str(filled.get("fleet_url", "")).startswith("ec2:"):
            usual = {"min_workers": 0, "max_workers": _MOST_INSTANCES, "minimum_bill_s": _AWS_CHARGES_S}
            filled = usual | filled
        return filled

    @field_validator("data", "cache", "key_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        try:
            return None if path is None else path.expanduser().absolute()
        except RuntimeError as error:
            raise ValueError(f"{path} begins with a home folder that nobody knows of") from error

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        text = url.get_secret_value() if url is not None else ""
        if text.startswith("file://"):
            if urlsplit(text).netloc:
                raise ValueError("a file's URL has three slashes and its whole path: file:///…/database.pem")
            return SecretStr(_url_in(Path(unquote(urlsplit(text).path))))
        if url is not None and not text.startswith(("postgresql://", "postgres://")):
            raise ValueError("it must begin with postgresql://, postgres:// or file:///")
        return url

    @field_validator("database_listen", "database_clients")
    @classmethod
    def _addresses(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text:
            address_and_port(text) if info.field_name == "database_listen" else networks(text)
        return text

    @model_validator(mode="after")
    def _who_enters_where(self) -> "Settings":
        if bool(self.database_listen) != bool(self.database_networks):
            raise ValueError("database_listen and database_clients go together")
        if self.database_listen and self.database_url:
            raise ValueError("database_listen is for the embedded server, but database_url names another")
        return self

    @model_validator(mode="after")
    def _room_to_scale(self) -> "Settings":
        if self.min_workers > self.max_workers:
            raise ValueError(f"min_workers ({self.min_workers}) is more than max_workers ({self.max_workers})")
        return self

    @model_validator(mode="after")
    def _time_for_a_second_try(self) -> "Settings":
        if self.request_timeout_s <= self.lease_s:
            raise ValueError(
                f"request_timeout_s ({self.request_timeout_s:g}) must be more than lease_s ({self.lease_s:g}), "
                "or a request whose worker dies is never answered in time"
            )
        return self

    @field_validator("policy", "slo", "budget")
    @classmethod
    def _understood(cls, text: str | None, info: ValidationInfo) -> str | None:
        """Refuse what the scaling rules cannot read; a default spares every command their import."""
        name = str(info.field_name)
        if text is None or text == cls.model_fields[name].default:
            return text
        from facefleet.core.scaling import policy, terms  # noqa: PLC0415 see above

        read: Any = {"policy": policy, "slo": terms.seconds, "budget": terms.per_hour}[name]
        try:
            if not read(text) and name != "slo":
                raise ValueError("it must be more than nothing")
        except InvalidInput as error:
            raise ValueError(error.detail.rstrip(".")) from error
        return text

    @model_validator(mode="after")
    def _budget_of_known_prices(self) -> "Settings":
        if self.budget is not None and not self.worker_price_per_hour:
            raise ValueError("budget needs worker_price_per_hour, what a worker costs an hour (--price)")
        if self.budget is not None and self.policy.strip() != type(self).model_fields["policy"].default:
            raise ValueError(f"budget is kept by the policy facefleet alone, not by {self.policy}")
        return self

    @model_validator(mode="after")
    def _somewhere_to_lead(self) -> "Settings":
        if self.leader == "store" and "store_url" not in self.buckets:
            raise ValueError(f"leader in the store needs one on S3, not {self.effective_store_url}")
        return self

    @model_validator(mode="after")
    def _anonymous_at_home(self) -> "Settings":
        if self.anonymous and not is_loopback(self.host):
            raise ValueError(f"anonymous is for this machine alone, but the service would listen on {self.host}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the TOML file behind arguments and environment."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=_file.get())

    @property
    def effective_url(self) -> str:
        """Where the command-line client finds the service: where `host` and `port` say, unless `url` does."""
        if self.url is not None:
            return self.url
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104  (listens everywhere)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port or type(self).model_fields['port'].default}"

    @property
    def database_address(self) -> tuple[Address, int] | None:
        """Address and port of `database_listen`."""
        return None if self.database_listen is None else address_and_port(self.database_listen)

    @property
    def database_networks(self) -> tuple[Network, ...]:
        """The networks of `database_clients`."""
        return networks(self.database_clients)

    @property
    def effective_warm(self) -> int:
        """How many stopped instances are kept, the default filled in."""
        return self.max_workers if self.warm is None else self.warm

    @property
    def buckets(self) -> dict[str, str]:
        """The S3 buckets that are used, by the setting that names them."""
        urls = {"store_url": self.effective_store_url, "inputs_url": self.inputs_url, "outputs_url": self.outputs_url}
        return {name: urlsplit(url).netloc for name, url in urls.items() if url and url.startswith("s3://")}

    @property
    def effective_store_url(self) -> str:
        """The store's URL, the default filled in."""
        return self.store_url or (self.data / "store").as_uri()

    @property
    def effective_key_file(self) -> Path:
        """The key file's path, the default filled in."""
        return self.key_file or self.data / "access.key"

    @property
    def s3_bucket_names(self) -> tuple[str, ...]:
        """The buckets of `s3_buckets`."""
        return listed(self.s3_buckets)

    def environment(self) -> dict[str, str]:
        """Return the whole process environment for a child that shall have these very settings."""
        return (
            {name: value for name, value in os.environ.items() if not name.startswith(_PREFIX)}
            | {_PREFIX + name.upper(): _text(value) for name, value in self if value is not None}
            | {_NAMED: os.devnull}
        )  # what was not set shall not be read from a file either


def _url_in(file: Path) -> str:
    """Return the URL that a `database.pem` holds, with the certificate in that very file as the one to trust."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read: {getattr(error, 'strerror', 'it is no text')}") from error
    url = next((line for line in lines if line.startswith("postgresql://")), None)
    if url is None:
        raise ValueError(f"{file} is no database.pem: it holds no line with a URL")
    return f"{url}&sslrootcert={quote(str(file.absolute()))}"


def aws_region() -> str | None:
    """Return the AWS region that the environment names; None leaves it to the AWS profile."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


def _course(name: str) -> dict[str, Any]:
    """Return the settings that use what the cloud-computing course calls its resources; crops and records lie apart."""
    return {
        "create": True,
        "queue_url": f"sqs://{name}-req-queue",
        "response_queue": f"{name}-resp-queue",
        "store_url": f"s3://{name}-data-bucket",
        "inputs_url": f"s3://{name}-in-bucket",
        "outputs_url": f"s3://{name}-out-bucket",
        "fleet_url": f"ec2://app-tier-instance?template={name}-app-tier",
    }


def _text(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _why(wrong: ErrorDetails) -> str:
    if wrong["type"] != "extra_forbidden":
        given = f", not {wrong['input']}" if wrong["type"] in _OUT_OF_RANGE else ""
        return wrong["msg"].removeprefix("Value error, ").removeprefix("Input ") + given
    return f"there is no such setting{_meant(str(wrong['loc'][0]), Settings.model_fields)}"


def _meant(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


def load(config: Path | None = None, **given: Any) -> Settings:
    """Read the settings; arguments that are None count as not given.

    Args:
        config: TOML file to read instead of `facefleet.toml`.
        **given: settings by name, from the command line.

    Raises:
        WrongSettings: a file is missing or no TOML, a name is unknown, a value is not allowed; it says which.
    """
    named = config or (Path(os.environ[_NAMED]) if os.environ.get(_NAMED) else None)
    if named is not None and not named.is_file() and str(named) != os.devnull:
        raise WrongSettings(f"There is no settings file {named}.")
    known = {_PREFIX + name.upper() for name in Settings.model_fields} | {_NAMED}
    for name in os.environ:
        if name.startswith(_PREFIX) and name not in known:
            raise WrongSettings(_sentence(f"There is no setting {name}{_meant(name, known)}"))
    file = named or Path(_FILE)
    reading = _file.set(file)
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongSettings(f"The settings file {file} is not valid TOML, which is UTF-8: {error}.") from error
    except OSError as error:
        raise WrongSettings(f"The settings file {file} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        wrong = "; ".join(": ".join((*map(str, one["loc"]), _why(one))) for one in error.errors())
        raise WrongSettings(_sentence(f"The settings are not right: {wrong}")) from error
    finally:
        _file.reset(reading)
