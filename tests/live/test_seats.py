from __future__ import annotations

import random
import threading

from visema.live.seats import Seats


def test_seats_are_bounded_and_the_line_moves_in_order() -> None:
    seats, told = Seats(2), []
    assert [seats.ask(who, lambda who=who: told.append(who)) for who in "abcd"] == [0, 0, 1, 2]
    assert (seats.taken, seats.waiting) == (2, 2)
    assert seats.ask("a", print) == 0 and seats.ask("d", print) == 2
    seats.leave("b")
    assert told == ["c", "d"]
    assert seats.ask("c", print) == 0 and seats.ask("d", print) == 1
    assert seats.taken == 2
    seats.leave("d")
    seats.leave("nobody")
    seats.leave("a")
    seats.leave("c")
    assert (seats.taken, seats.waiting) == (0, 0)


def test_nobody_overtakes_the_line() -> None:
    seats = Seats(1)
    seats.ask("a", print)
    seats.ask("b", print)
    seats.leave("a")
    assert seats.ask("c", print) == 1 and seats.ask("b", print) == 0


def test_no_seat_is_lost_when_many_come_and_go() -> None:
    seats = Seats(3)
    most = []

    def visit(seed: int) -> None:
        rng = random.Random(seed)
        for k in range(200):
            who = (seed, k)
            seats.ask(who, lambda: None)
            most.append(seats.taken)
            if rng.random() < 0.5:
                seats.ask(who, lambda: None)
            seats.leave(who)

    threads = [threading.Thread(target=visit, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) <= 3 and (seats.taken, seats.waiting) == (0, 0)
