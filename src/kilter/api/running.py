"""The runs of a study in this process: an executor, limits and those who look on, put before the loop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from kilter import plugins
from kilter.analysis.failures import explained, kinds
from kilter.api.arguments import at_once
from kilter.api.evaluated import Evaluated, begin_evaluation
from kilter.core.definition import Definition
from kilter.core.errors import InvalidInput, StudyAborted
from kilter.core.history import Record
from kilter.core.interfaces import Executor, Holding, Resources, Running, Stopper
from kilter.core.limits import Limits
from kilter.engine.ending import Ending
from kilter.engine.limits import Tally
from kilter.runtime import identity, steering
from kilter.runtime.loop import Loop
from kilter.runtime.progress import Silent, display
from kilter.runtime.session import Session, check_objects
from kilter.storage.patience import hurry

log = logging.getLogger("kilter")


class Runner:
    """Runs trials of a study, and knows what became of the latest run."""

    def __init__(self, name: str, session: Session) -> None:
        self._name, self._session = name, session
        self._has_run = False
        self._continued: list[str] | None = None
        """The differences of the objective with which it goes on, once that has been told."""
        self._untaken: Sequence[str] = ()
        """The parameters that the objective does not take, once that has been told."""
        self._tally = Tally()
        """What became of the trials of the latest run."""
        self.is_stopped = False
        """Whether the run is to begin no more trials."""
        self.ending: Ending | None = None
        """How the latest run ended; None before there was one, and where it was ended by an error."""

    def run(
        self,
        executor: Running,
        limits: Limits,
        calls: int | None,
        catch: type[BaseException] | Sequence[type[BaseException]],
        on_end: Sequence[Callable[[Record], None]],
        holding: Sequence[Holding],
        progress: str,
        stoppers: Sequence[Stopper],
        definition: Definition | None,
        if_changed: str | None,
        joins: bool = False,
        evaluated: Evaluated | None = None,
    ) -> Ending:
        """Run trials on an executor within the limits, at most `calls` of them; how it ended.

        One that `joins` lends a hand to the runs that there are: of what users want of the study it changes nothing but
        a total that is larger.
        """
        session = self._session
        if not session.engine.problem.is_open:  # else the objective brings the objects
            check_objects(session.engine)
        self.check_definition(definition, if_changed, joins)
        if evaluated is not None:
            begin_evaluation(session, evaluated)
        if joins:
            identity.name(session, definition)
            steering.note_total(session, session.clock(), limits)
        else:
            self._note_begin(definition, limits, calls)
        self._has_run, self.is_stopped, self.ending = True, False, None
        shown = display(progress, session, self._name, limits, calls)
        quiet = isinstance(shown, Silent) and not on_end

        def ended(record: Record) -> None:
            for told in (shown.on_end, *on_end):
                told(record)

        loop = Loop(
            session,
            executor,
            limits,
            calls,
            tuple(catch) if isinstance(catch, Sequence) else (catch,),
            ended,
            None if quiet else shown.tick,
            shown.tell,
            lambda: self.is_stopped,
            [*stoppers, *_by_gain(limits)],
            list(holding),
            steering.stopped_at(session) if joins else None,
            joins,
        )
        self._tally = loop.tally
        shown.start()
        try:
            ending = loop()
        except BaseException as error:
            shown.finish(loop.ending.reason if loop.ending else _ended_by(error))
            if isinstance(error, StudyAborted) and not joins:
                identity.forgive(session)
            raise
        finally:
            session.leave()
            session.save_snapshot()
            hurry(False)
        if not loop.begun and not joins:
            ending = replace(ending, reason=ending.reason + identity.answered(session))
        shown.finish(str(ending))
        self.ending = ending
        return ending

    def _note_begin(self, definition: Definition | None, limits: Limits, calls: int | None) -> None:
        """Write what is to be run, and how much of it."""
        session = self._session
        identity.define(session, definition)
        steering.begin(session, session.clock())
        steering.note_asked(session, session.clock(), limits, calls)

    def check_definition(
        self, definition: Definition | None, if_changed: str | None = None, joins: bool = False
    ) -> None:
        """Raise StudyChanged where the study has results of another objective than this one.

        With if_changed="continue" it does not, and by default not where the study has run here already.
        """
        session = self._session
        session.sync()
        is_from_before = session.storage.is_durable and not self._has_run
        choice = if_changed or ("fail" if is_from_before else "continue")
        identity.check_choice(choice)
        if choice == "new":
            raise InvalidInput(
                "if_changed='new' is for tune() and kilter run, which open a study by its name: here choose another "
                "study_name, or if_changed='continue'"
            )
        found = identity.differences(session.engine, definition)
        if found and identity.has_results(session.engine):
            if choice != "continue":
                raise identity.changed(session, found, [identity.CONTINUE, identity.JOIN if joins else identity.RENAME])
            if found != self._continued:
                log.warning("%s: goes on with the results of another objective: %s", self._name, "; ".join(found))
            self._continued = found
        unlike = identity.unlike(session.engine, definition)
        if unlike and identity.has_results(session.engine):
            log.warning(
                "%s: nothing tells whether the code of %s has changed, because its source could not be read each time, "
                "as behind python -c and exec(): it goes on with the results that there are",
                self._name,
                ", ".join(unlike),
            )

    def tell_untaken(self, names: Sequence[str]) -> None:
        """Say once that the objective takes some parameters not at all."""
        if names and names != self._untaken:
            log.warning(
                "%s: the objective takes no argument %s, so that makes no difference to it; it is tuned all the same",
                self._name,
                " and no ".join(map(repr, names)),
            )
            self._untaken = names

    def check_success(self) -> None:
        """Raise StudyAborted where trials of the latest run ended, and all of them failed."""
        tally = self._tally
        if not tally.is_fruitless:
            return
        identity.forgive(self._session)
        failed = f"all {tally.failed} trials of this run" if tally.failed > 1 else "the only trial of this run"
        raise StudyAborted(
            f"{self._name!r}: {failed} failed ({kinds(tally.failures)}), as in "
            f"{explained(self._session.engine.history, tally.failures)}. Fix the objective and run again"
        )


def in_this_process(slots: int) -> Executor:
    """The executor for so many trials at once in the process itself."""
    if slots == 1:
        from kilter.executors.inline import Inline

        return Inline()
    from kilter.executors.threads import Threads

    return Threads(slots)


def executor_of(given: Executor | str | None, workers: int, resources: Resources | None) -> Executor:
    """Where so many trials run at once: the executor that a user means, else this process, or processes of its own."""
    slots = at_once("workers", workers)
    if given is not None:
        executor: Executor = plugins.find("executor", given, slots)
        return executor if resources is None else _with_resources(given, executor, resources)
    if slots == 1 and resources in (None, Resources()):
        return in_this_process(1)
    from kilter.executors.processes import Processes

    return Processes(slots, resources or Resources())


def _with_resources(given: Executor | str, executor: Any, resources: Resources) -> Executor:
    """An executor that was given by its name, with resources for each trial."""
    if not isinstance(given, str):
        raise InvalidInput(f"executor={given!r} has resources of its own, as in Processes(4, resources)")
    settings = {field.name for field in fields(executor)} if is_dataclass(executor) else set()
    if "resources" not in settings:
        raise InvalidInput(
            f"executor={given!r} cannot bound what a trial uses: leave out resources=, or give executor='processes'"
        )
    bounded: Executor = replace(executor, resources=resources)
    return bounded


def holding(callbacks: Sequence[object]) -> list[Holding]:
    """Those of the callbacks that may hold new trials back."""
    return [callback for callback in callbacks if isinstance(callback, Holding)]


def _ended_by(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "stopped at once by the user; what ran goes on next time"
    if isinstance(error, SystemExit):
        return "terminated; what ran goes on next time"
    return f"ended by {type(error).__name__}"


def _by_gain(limits: Limits) -> list[Stopper]:
    """The stopper that a limit on the expected gain stands for."""
    if limits.gain is None:
        return []
    from kilter.analysis.gain import NotWorthIt  # loads SciPy

    return [NotWorthIt(limits.gain)]
