from gateway.core.terms import UNLIMITED, Calendar, Cap, ContactPolicy, Group, Per, Reward


def test_nothing_said_limits_nothing() -> None:
    assert ContactPolicy(caps=(), cool_down_s=0, suppression=None) == UNLIMITED
    assert Group("coffee").contact == UNLIMITED


def test_a_group_shows_one_at_a_time_unless_it_says_otherwise() -> None:
    assert Group("coffee").slate == 1


def test_a_cap_counts_for_the_person_unless_it_says_otherwise() -> None:
    assert Cap(1, within_s=60) == Cap(1, within_s=60, each=None, per=Per.SUBJECT)
    assert Cap(1, each=Calendar.DAY).within_s == 0


def test_a_reward_costs_nothing_unless_it_says_otherwise() -> None:
    reward = Reward("tea", "A tea")
    assert (reward.cost_cents, reward.currency, reward.discount) == (0, "", None)
