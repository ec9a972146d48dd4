"""How quickly mails go through some doors while others trouble the workers."""

from collections.abc import Collection, Sequence

from tests.services import wait_until
from tests.storm.stack import Crew, Feeder, MailServer


def rate(server: MailServer, feeder: Feeder, crew: Crew, *, doors: Collection[str], models: Sequence[str], count: int) -> float:
    """Mails a second at these doors, from the first arrival to the last; all is queued before the workers look."""
    before = sum(map(server.count, doors))
    wanted = sum(models[number % len(models)] in doors for number in range(1, count + 1))
    for worker in crew.workers:
        crew.pause(worker)
    feeder.submit("bernd", models, count)
    for worker in crew.workers:
        crew.resume(worker)
    wait_until(lambda: sum(map(server.count, doors)) == before + wanted, seconds=60 + wanted / 20, what=f"{wanted} mails")
    times = [arrival.at for arrival in server.arrivals if arrival.door in doors][before:]
    return (wanted - 1) / (times[-1] - times[0])
