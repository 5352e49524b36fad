"""Settings: where they come from, what is refused, and that the documentation names each."""

from pathlib import Path

import pytest

from facefleet.config import Settings, load
from facefleet.errors import WrongSettings

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_setting_is_documented_in_its_own_words(name):
    """docs/settings.md has a row for each setting with the description the program knows."""
    rows = [line for line in DOCUMENTATION.read_text().splitlines() if line.startswith(f"| `{name}` |")]
    assert len(rows) == 1
    assert Settings.model_fields[name].description in rows[0]


def test_the_documentation_names_no_setting_that_is_gone():
    """A setting that was removed is removed from docs/settings.md too."""
    rows = [line.split("`")[1] for line in DOCUMENTATION.read_text().splitlines() if line.startswith("| `")]
    assert rows == list(Settings.model_fields)


def test_an_argument_beats_the_environment_and_that_beats_the_file(tmp_path, monkeypatch):
    """The order that docs/settings.md promises."""
    file = tmp_path / "mine.toml"
    file.write_text("port = 1\nmax_workers = 31\nlease_s = 7.0\n")
    monkeypatch.setenv("FACEFLEET_PORT", "2")
    monkeypatch.setenv("FACEFLEET_MAX_WORKERS", "32")
    settings = load(file, port=3)
    assert (settings.port, settings.max_workers, settings.lease_s) == (3, 32, 7.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 70000},
        {"lease_s": 0},
        {"minimum_bill_s": float("inf")},
        {"worker_price_per_hour": float("nan")},
        {"min_workers": 9, "max_workers": 2},
        {"no_such_setting": 1},
        {"request_timeout_s": 5, "lease_s": 5},
        {"database_url": "localhost:5432"},
        {"database_url": "mysql://localhost/faces"},
    ],
)
def test_a_wrong_setting_is_refused_by_name(wrong):
    """The error names the setting, so that it can be found and mended."""
    with pytest.raises(WrongSettings, match=next(iter(wrong))):
        load(**wrong)


def test_a_misspelt_variable_is_refused_with_what_was_meant(monkeypatch):
    """A threshold that is silently ignored would be found out by the wrong people."""
    monkeypatch.setenv("FACEFLEET_TRESHOLD", "50")
    with pytest.raises(WrongSettings, match="did you mean FACEFLEET_THRESHOLD"):
        load()


@pytest.mark.parametrize("text", ["port = ", "port == 1", "\x00"])
def test_a_file_that_is_no_toml_is_named(tmp_path, text):
    """One sentence with the file and the place, no traceback."""
    file = tmp_path / "broken.toml"
    file.write_text(text)
    with pytest.raises(WrongSettings, match=r"broken\.toml is not valid TOML"):
        load(file)


def test_a_misspelt_name_in_a_file_is_refused_with_what_was_meant(tmp_path):
    """As one in the environment is."""
    file = tmp_path / "facefleet.toml"
    file.write_text("treshold = 80\n")
    with pytest.raises(WrongSettings, match="treshold: there is no such setting; did you mean threshold"):
        load(file)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"port": 9000}, "http://127.0.0.1:9000"),
        ({"host": "0.0.0.0", "port": 9000}, "http://127.0.0.1:9000"),
        ({"host": "::1"}, "http://[::1]:8000"),
        ({"port": 9000, "url": "http://faces:80"}, "http://faces:80"),
    ],
)
def test_the_client_finds_the_service_where_the_settings_put_it(given, url):
    """A file with another port is for both."""
    assert load(**given).effective_url == url


@pytest.mark.parametrize("name", ["data", "cache", "key_file"])
def test_a_path_may_begin_with_a_home_folder(monkeypatch, tmp_path, name):
    """No shell reads a settings file, so `~` is read here; one that is nobody's is refused in a sentence."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert getattr(load(**{name: "~/there"}), name) == tmp_path / "there"
    with pytest.raises(WrongSettings, match=rf"{name}: ~nobody-of-that-name"):
        load(**{name: "~nobody-of-that-name/there"})


def test_a_file_that_does_not_exist_is_named(tmp_path):
    """Only the default file may be absent."""
    with pytest.raises(WrongSettings, match=r"none\.toml"):
        load(tmp_path / "none.toml")


def test_a_child_process_reads_no_file_of_its_own(monkeypatch, tmp_path):
    """What the parent was not given must not come from the working directory of the child."""
    given = load(port=1)
    (tmp_path / "facefleet.toml").write_text('store_url = "file:///elsewhere"\n')
    monkeypatch.chdir(tmp_path)
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    assert load().store_url is None


def test_a_child_process_gets_the_very_same_settings(monkeypatch, tmp_path):
    """What a worker process reads from its environment equals what its parent was given."""
    monkeypatch.setenv("FACEFLEET_PORT", "2")
    given = load(data=tmp_path, database_url="postgresql://u:secret@h/d", max_workers=3, retention_days=0)
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    assert load() == given


def test_the_database_password_is_not_in_the_repr():
    """Settings may be logged; passwords may not."""
    assert "secret" not in repr(load(database_url="postgresql://u:secret@h/d"))


@pytest.mark.parametrize(
    ("name", "wrong", "why"),
    [
        ("slo", "2 parsecs", "no span of time"),
        ("budget", "a lot", "no amount over time"),
        ("budget", "0/h", "more than nothing"),
        ("policy", "lucky", "There is no policy 'lucky'"),
        ("slo_percent", 100, "less than or equal to 99.99"),
    ],
)
def test_what_the_scaling_rules_cannot_read_is_refused_at_once(*, name, wrong, why):
    """The sentence says what would be right; the fleet never starts under a rule that nobody asked for."""
    with pytest.raises(WrongSettings, match=why) as refused:
        load(**{name: wrong}, worker_price_per_hour=1.0)
    assert refused.value.detail.startswith(f"The settings are not right: {name}: ")


def test_a_budget_needs_a_price():
    """Without one nobody can tell what is spent."""
    with pytest.raises(WrongSettings, match="budget needs worker_price_per_hour"):
        load(budget="3/h")
    assert load(budget="3/h", worker_price_per_hour=0.1).budget == "3/h"


def test_a_budget_is_refused_by_the_rules_that_would_not_keep_it():
    """A fixed fleet of ten costs what it costs."""
    with pytest.raises(WrongSettings, match="budget is kept by the policy facefleet alone, not by static 10"):
        load(budget="3/h", worker_price_per_hour=0.1, policy="static 10")


def test_a_start_counts_for_half_a_minute_and_on_ec2_for_what_aws_charges():
    """Unless the user says otherwise."""
    assert load().minimum_bill_s == 30
    assert load(fleet_url="ec2://workers").minimum_bill_s == 60
    assert load(fleet_url="ec2://workers", minimum_bill_s=0).minimum_bill_s == 0


def test_a_settings_file_that_is_missing_is_named_whoever_named_it(monkeypatch, tmp_path):
    """Else a service would begin with defaults and say nothing."""
    monkeypatch.setenv("FACEFLEET_CONFIG", str(tmp_path))
    with pytest.raises(WrongSettings, match=f"There is no settings file {tmp_path}"):
        load()


def test_a_settings_file_in_another_encoding_is_refused_in_a_sentence(tmp_path):
    """TOML is UTF-8."""
    file = tmp_path / "facefleet.toml"
    file.write_bytes('policy = "k\xf6ln"'.encode("latin-1"))
    with pytest.raises(WrongSettings, match="is not valid TOML, which is UTF-8"):
        load(file)


def test_what_is_out_of_range_is_named_with_what_was_given(monkeypatch):
    """As it was written, by whatever way it came."""
    with pytest.raises(WrongSettings, match="port: should be less than or equal to 65535, not 1234567"):
        load(port=1234567)
    monkeypatch.setenv("FACEFLEET_PORT", "1234567")
    with pytest.raises(WrongSettings, match="not 1234567"):
        load()
