"""``canvas-archive fleet verify`` and ``fleet backup``, and the list of what leaves a fleet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from canvas_archive.cli.context import Settings, json_option, pass_settings, print_document, talking_options
from canvas_archive.cli.fleet_archives import FleetReading, open_fleet, root_option, users
from canvas_archive.cli.progress import steps
from canvas_archive.cli.sign import means_from, signing_options
from canvas_archive.cli.terminal import count_of, one_line
from canvas_archive.cli.verify import show_check, trust_options
from canvas_archive.errors import ArchiveError, ItemsFailed, VerificationFailed
from canvas_archive.machine import as_archive_error
from canvas_archive.places import expanded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from threading import Event

    from canvas_archive.export.backup import BackupReport
    from canvas_archive.export.checks import Check
    from canvas_archive.export.fleet_list import Package
    from canvas_archive.model import JsonObject
    from canvas_archive.signing.stored import Means, Signed, Trust
    from canvas_archive.sync.fleet_record import CustodianOutcome, Fleet

jobs_option = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 32),
    default=2,
    show_default=True,
    help="Custodians at a time.",
)


# -- verify ------------------------------------------------------------------------------------------------


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@root_option
@jobs_option
@click.option("--files/--no-files", default=True, help="Read every attachment again. [default: yes]")
@trust_options
@json_option
@talking_options
@pass_settings
def verify(
    settings: Settings,
    folder: Path | None,
    root: Path | None,
    jobs: int,
    files: bool,
    allowed_signers: Path | None,
    timestamp_ca: Path | None,
    as_json: bool,
) -> None:
    """Check every archive of the fleet, or the packages of a hand-over in FOLDER, one line each.

    A custodian whose archive or package is missing, was added or took another's place is named. Exit code 8:
    something does not match.
    """
    from canvas_archive.signing.stored import Trust

    trust = Trust(allowed_signers, timestamp_ca)
    checks = []
    with steps(settings) as progress:
        progress("Custodians", 0, 0)
        found = _packages(folder, trust) if folder is not None else _archives(root, jobs, files, trust)
        for check in found:
            checks.append(check)
            progress("Custodians", len(checks), 0)
            if not as_json:
                show_check(settings, check)
    bad = [check.name for check in checks if not check.ok]
    if as_json:
        print_document("fleet verify", ok=not bad, checks=checks)
    if bad:
        more = f" and {len(bad) - 5:,} more" if len(bad) > 5 else ""
        raise VerificationFailed(f"Not verified: {', '.join(bad[:5])}{more}.")


def _packages(folder: Path, trust: Trust) -> Iterator[Check]:
    from canvas_archive.export.checks import Check
    from canvas_archive.export.fleet_list import LIST, is_list
    from canvas_archive.export.verify_files import verify_path

    if is_list(folder):
        yield from verify_path(folder, trust)
    else:
        yield Check(
            "fleet list", False, f"{folder} has no {LIST} of a hand-over: it is missing, or was changed"
        )


def _archives(root: Path | None, jobs: int, files: bool, trust: Trust) -> Iterator[Check]:
    """Yield a check that stands for all checks of an archive, for each custodian."""
    from canvas_archive.export.checks import Check
    from canvas_archive.export.manifest import in_parallel
    from canvas_archive.export.verify import VerifyOptions, verify_archive
    from canvas_archive.export.verify_files import summed_up

    fleet = open_fleet(root)
    options = VerifyOptions(files=files, jobs=1, trust=trust)

    def one(outcome: CustodianOutcome, stop: Event) -> Check:
        name = f"user {outcome.user_id}"
        try:
            fleet.open_archive(outcome).close()  # says best why it cannot be read, or whose it is
            return summed_up(name, _until(stop, verify_archive(fleet.root / outcome.folder, options)))
        except Exception as error:  # whatever it is, the others are checked
            return Check(name, False, str(as_archive_error(error)))

    for _, check in in_parallel(one, fleet.collected(), jobs):
        yield check
    strange = fleet.strangers()
    if strange:
        yield Check("other archives", False, f"{len(strange):,} are not of this fleet", tuple(strange))


def _until(stop: Event, checks: Iterator[Check]) -> Iterator[Check]:
    for check in checks:
        if stop.is_set():
            raise InterruptedError
        yield check


# -- backup ------------------------------------------------------------------------------------------------


@click.command()
@click.argument("dest", type=click.Path(path_type=Path))
@root_option
@jobs_option
@signing_options
@json_option
@talking_options
@pass_settings
def backup(
    settings: Settings,
    dest: Path,
    root: Path | None,
    jobs: int,
    key: Path | None,
    timestamp: str | None,
    as_json: bool,
) -> None:
    """Back up every custodian's archive into a folder of its own below DEST, one line each.

    Repeat it into the same folder, as 'backup' of one archive. DEST/fleet.json lists the backups with their
    hashes; --key and --timestamp sign it. Exit code: the worst of all backups.
    """
    from canvas_archive.cli.backup import backup_record, shortfall
    from canvas_archive.cli.fleet_reading import make_destination
    from canvas_archive.export.manifest import in_parallel

    fleet = open_fleet(root)
    reading = FleetReading(settings, fleet)
    means = means_from(key, timestamp)
    means.check()
    below = expanded(dest)
    make_destination(below, [fleet.root / one.folder for one in reading.custodians])
    packages: list[Package] = []
    rows: list[dict[str, Any]] = []
    failures: list[ArchiveError] = []
    with steps(settings) as progress:
        done = in_parallel(lambda one, stop: _backed_up(fleet, one, below), reading.custodians, jobs)
        for number, (outcome, result) in enumerate(done, start=1):
            progress("Custodians", number, len(reading.custodians))
            problem = result if isinstance(result, ArchiveError) else shortfall(result)
            if not isinstance(result, ArchiveError):
                rows.append({"user_id": outcome.user_id, "name": outcome.name, **backup_record(result)})
                packages.append(
                    package_of(
                        fleet, outcome, outcome.folder, {"messages": result.messages, "files": result.files}
                    )
                )
            if problem is not None:
                failures.append(problem)
                reading.fail(outcome, str(problem))
            elif not as_json and not isinstance(result, ArchiveError):
                name = one_line(outcome.name or f"User {outcome.user_id}")
                files = f"{count_of(result.files, 'attachment')}, {result.copied_files:,} copied"
                click.echo(f"{outcome.user_id:>14}  {name}: {count_of(result.messages, 'message')}, {files}")
    signed = hand_over(reading, fleet, below, packages, means)
    if as_json:
        print_document("fleet backup", dest=str(below), custodians=rows, **reading.unread())
    if failures:
        failed = users([row["user_id"] for row in reading.failed])
        raise worst_of(failures, f"{count_of(len(failures), 'backup')} failed: {failed}. {failures[0]}")
    reading.end("backed up")
    require_stamp(signed)


def worst_of(failures: Sequence[ArchiveError], sentence: str) -> ArchiveError:
    """Return an error with the exit code of the worst one: first that of tampering, then the highest."""
    codes = [error.exit_code for error in failures]
    error = ArchiveError(sentence)
    tampered = VerificationFailed.exit_code
    error.exit_code = tampered if tampered in codes else max(codes)
    return error


def _backed_up(fleet: Fleet, outcome: CustodianOutcome, below: Path) -> BackupReport | ArchiveError:
    from canvas_archive.export.backup import backup as write

    try:
        fleet.open_archive(outcome).close()
        return write(fleet.root / outcome.folder, below / outcome.folder)
    except Exception as error:  # whatever it is, the others can be backed up
        return as_archive_error(error)


# -- the list ----------------------------------------------------------------------------------------------


def package_of(
    fleet: Fleet, outcome: CustodianOutcome, folder: str, counts: JsonObject, key: bytes | None = None
) -> Package:
    """Return the row of a custodian whose package was written; with a ``key``, under the pseudonym."""
    from canvas_archive.export.fleet_list import Package
    from canvas_archive.store.chain import chain_head

    with fleet.open_archive(outcome) as archive:
        head = chain_head(archive.db)
    user_id, name = shown_as(outcome.user_id, outcome.name, key)
    return Package(user_id, name, folder, outcome.status, outcome.succeeded_at, counts, head.seq, head.chain)


def shown_as(user_id: int, name: str | None, key: bytes | None) -> tuple[int, str | None]:
    """Return the id and name that a hand-over gives a custodian: pseudonyms where people are replaced."""
    if key is None:
        return user_id, name
    from canvas_archive.export.pseudonyms import Pseudonyms

    return Pseudonyms(key).person(user_id)


def hand_over(
    reading: FleetReading,
    fleet: Fleet,
    below: Path,
    packages: Sequence[Package],
    means: Means,
    *,
    nothing: Sequence[int] = (),
    key: bytes | None = None,
) -> Signed | None:
    """Write the list of what was handed over, and sign it where the options say so."""
    from canvas_archive.export.fleet_list import write_list

    if not packages:
        return None
    without = {
        "failed": [row["user_id"] for row in reading.failed],
        "no_archive": reading.unread()["no_archive"],
        "nothing_chosen": list(nothing),
    }
    if key is not None:
        without = {why: [shown_as(one, None, key)[0] for one in ids] for why, ids in without.items()}
    return write_list(below, fleet.base_url or "", packages, without, means)


def require_stamp(signed: Signed | None) -> None:
    """Raise ItemsFailed when a time stamp was asked for and did not come."""
    if signed is not None and signed.without_stamp:
        raise ItemsFailed(f"The list is written. {signed.without_stamp}")
