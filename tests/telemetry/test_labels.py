from gateway.telemetry.labels import OTHER, Names


def test_the_first_names_stand_for_themselves_and_later_ones_are_other() -> None:
    names = Names(2)
    assert [names.label(name) for name in ("a", "b", "c", "a")] == ["a", "b", OTHER, "a"]
    assert (len(names), names.refused) == (2, 1)


def test_no_name_is_other_and_no_refusal() -> None:
    names = Names(2)
    assert names.label(None) == names.label("") == OTHER
    assert names.refused == 0
