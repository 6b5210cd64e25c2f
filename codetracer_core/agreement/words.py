"""Numbers of agreement in sentences."""

from codetracer_core.agreement.measures import Measures
from codetracer_core.words import minus

ALIKE = 0.05
"""Coefficients at most so far apart are said to say the same."""


def why_they_differ(measures: Measures) -> str:
    """Why alpha and kappa on the one hand, AC1 and raw agreement on the other, say different things at this
    prevalence, or that they do not; of a question with two answers. Names nobody."""
    alpha, kappa, ac1, raw = (of.value for of in (measures.alpha, measures.kappa, measures.ac1, measures.raw))
    share = measures.prevalence[1].value
    positive = measures.categories[1]
    if raw is None or share is None:
        return f"There is nothing to compare: {measures.raw.why}."
    if ac1 is None:
        return f"No coefficient is corrected for chance: {measures.ac1.why}."
    if alpha is None:
        return (
            f"Alpha and kappa are undefined: {measures.alpha.why}. Raw agreement ({_percent(raw)}) and"
            f" AC1 ({_number(ac1)}) then say no more than that."
        )
    chance, gwets = share**2 + (1 - share) ** 2, 2 * share * (1 - share)
    names = f"alpha ({_number(alpha)})" if kappa is None else f"alpha ({_number(alpha)}) and kappa ({_number(kappa)})"
    many = f"{_percent(share)} of the labels are “{positive}”"
    if abs(alpha - ac1) <= ALIKE:
        listed = names.replace(" and ", ", ")
        return f"They say the same here: {many}, and {listed} and AC1 ({_number(ac1)}) are at most {ALIKE} apart."
    psa = measures.psa.value
    frequent = measures.categories[share > 0.5]
    seen = "" if psa is None else f" Where one says “{positive}”, another says so, too, in {_percent(psa)} (PSA)."
    verb = "counts" if kappa is None else "count"
    apart = ""
    if kappa is not None and abs(alpha - kappa) > ALIKE:
        apart = " Kappa and alpha differ because the two use the label at different rates."
    return (
        f"{many}: two raters who label at random at this rate would already agree on {_percent(chance)} of the"
        f" {measures.unit}s. Raw agreement is {_percent(raw)}, and {names} {verb} only what goes beyond chance."
        f" AC1 ({_number(ac1)}) takes only {_percent(gwets)} for chance at this rate, so it stays near raw agreement:"
        f" it tells how well they agree on what is “{frequent}”.{seen}{apart} Read alpha and PSA with the counts;"
        " AC1 and raw agreement never alone."
    )


def _number(value: float) -> str:
    return minus(f"{value:.3f}")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
