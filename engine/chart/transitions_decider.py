"""The decider of every run: a synchronous `transitions` machine over the leaves. The only user of that library.

Stays uncompiled where the rest of the chart is compiled: the machine puts its triggers on its model by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from transitions import Event, Machine, Transition

from engine.chart.binding import ALWAYS, Bound, Guard, Plan


class _Trigger(Event):
    """The machine's own table and state, stepped without what a compiled flow never fills.

    The stock event makes an EventData, looks through eight empty lists of callbacks and writes nine log lines for
    each candidate: a tenth of a whole round. Guard and target are the transition's own.
    """

    def trigger(self, model: object, *_: object, **__: object) -> bool:
        for transition in self.transitions[model.leaf]:  # type: ignore[attr-defined]
            assert type(transition) is _Transition
            guard = transition.guard
            if guard is None or guard(None):
                if transition.dest is not None:
                    model.leaf = transition.dest  # type: ignore[attr-defined]
                model.taken = transition.plan  # type: ignore[attr-defined]
                return True
        return False


class _Transition(Transition):
    """A transition with one condition and the plan of its candidate, which is all that a compiled flow has.

    The stock one keeps four lists and an object for its condition: with eight hundred of them half of a chart.
    """

    def __init__(
        self, source: str, dest: str | None, conditions: Guard | None, unless: None, before: None, after: Plan,
        prepare: None,
    ) -> None:  # fmt: skip
        self.source = source
        self.dest = dest
        self.guard = conditions
        self.plan = after


class _Machine(Machine):
    event_cls = _Trigger
    transition_cls = _Transition


class TransitionsDecider:
    """A synchronous `transitions` machine over the leaves picks the candidate and moves the leaf.

    It is its own model. Triggers get the prefix `on:`, so that no event can collide with an attribute. Only bound
    callables are given to the machine: it would import and call a dotted string.
    """

    leaf: str

    def __init__(self, bound: Bound, leaf: str) -> None:
        plans = bound.plans()
        self.taken: Plan | None = None  # the machine's last
        self._always = {name: _guards(events.get(ALWAYS, ())) for name, events in plans.items()}
        machine = _Machine(
            model=self,
            states=list(plans),
            initial=leaf,
            model_attribute="leaf",
            auto_transitions=False,
            send_event=True,
            queued=False,
        )
        for name, events in plans.items():
            for event, candidates in events.items():
                for plan in candidates:
                    self._add(machine, f"on:{event}", plan, source=name)
        every = dict.fromkeys(event for events in plans.values() for event in events)
        triggers: dict[str, Callable[[], bool]] = {event: getattr(self, f"on:{event}") for event in every}
        self._triggers = {name: {event: triggers[event] for event in events} for name, events in plans.items()}

    def _add(self, machine: Machine, trigger: str, plan: Plan, *, source: str) -> None:
        """The machine learns a trigger with its first transition; the others are made without its many questions."""
        target = plan.candidate.target
        if trigger in machine.events:
            machine.events[trigger].add_transition(
                _Transition(source, target, plan.guard, None, None, plan, None)
            )  # fmt: skip
        else:
            machine.add_transition(trigger, source, target, conditions=plan.guard, after=plan)  # type: ignore[arg-type]

    def take(self, event: str) -> Plan | None:
        trigger = self._triggers[self.leaf].get(event)
        if trigger is None:
            return None
        return self.taken if trigger() else None

    def restless(self) -> bool:
        for guard in self._always[self.leaf]:  # noqa: SIM110 runs after every step: a generator costs as much as a guard
            if guard(None):
                return True
        return False

    def put(self, leaf: str) -> None:
        self.leaf = leaf


def _guards(plans: Iterable[Plan]) -> tuple[Guard, ...]:
    return tuple(plan.guard or _open for plan in plans)


def _open(_: object) -> bool:
    return True
