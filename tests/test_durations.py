"""Durations and sizes as people write them: what is read, refused and shown."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sirrchat_testkit.durations import read_duration, show_duration
from sirrchat_testkit.sizes import read_size, rough_size, show_size


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [
        ("0", 0, "0"),
        ("0s", 0, "0"),
        ("300", 300, "5m"),
        ("0.5", 0.5, "500ms"),
        (".5", 0.5, "500ms"),
        ("500ms", 0.5, "500ms"),
        ("0.1ms", 0.0001, "0.0001s"),
        ("90s", 90, "90s"),
        ("90 s", 90, "90s"),
        ("5min", 300, "5m"),
        ("1h30m", 5400, "90m"),
        ("1h 30m", 5400, "90m"),
        ("1.5h", 5400, "90m"),
        (" 24h ", 86_400, "1d"),
        ("30d", 2_592_000, "30d"),
        ("2w", 1_209_600, "14d"),
        ("1.1s", 1.1, "1100ms"),
    ],
)
def test_a_duration_is_read_and_shown(text: str, seconds: float, shown: str) -> None:
    assert read_duration(text) == seconds
    assert show_duration(seconds) == shown


@pytest.mark.parametrize(
    "text",
    ["", "s", "-1s", "1x", "1h30", "30 minutes", "1e3", "inf", "nan", "1,5h", "1H", "\u0665s", "1 h 5 x", "1\u00b5s"],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as 90s, 5m or 1h"):
        read_duration(text)


@settings(deadline=None)  # a busy machine is slow
@given(st.integers(0, 10**11))
def test_a_shown_duration_is_read_again(milliseconds: int) -> None:
    assert read_duration(show_duration(milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize(
    ("text", "size", "shown"),
    [
        ("0", 0, "0"),
        ("1", 1, "1B"),
        ("512", 512, "512B"),
        ("1000", 1000, "1kB"),
        ("1024", 1024, "1KiB"),
        ("25MB", 25_000_000, "25MB"),
        ("25 mb", 25_000_000, "25MB"),
        ("1.5GB", 1_500_000_000, "1500MB"),
        ("2GiB", 2_147_483_648, "2GiB"),
        ("0.5MiB", 524_288, "512KiB"),
        ("1TiB", 1 << 40, "1TiB"),
        ("1001B", 1001, "1001B"),
    ],
)
def test_a_size_is_read_and_shown(text: str, size: int, shown: str) -> None:
    assert read_size(text) == size
    assert show_size(size) == shown


@pytest.mark.parametrize(
    "text", ["", "MB", "-1", "25M", "25 meg", "1e6", "1_000", "0.3B", "1.0001kB", "\u0665MB", "1 2MB"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        read_size(text)


@settings(deadline=None)  # a busy machine is slow
@given(st.integers(0, 10**15))
def test_a_shown_size_is_read_again(size: int) -> None:
    assert read_size(show_size(size)) == size


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_234, "1.2 kB"),
        (25_000_000, "25.0 MB"),
        (5 * 10**15, "5000.0 TB"),
    ],
)
def test_a_size_to_read_at_a_glance_is_rounded(size: int, shown: str) -> None:
    assert rough_size(size) == shown
