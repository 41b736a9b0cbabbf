"""What a deployment costs a month: AWS's list prices for us-east-1, and how much of each a schedule uses.

The page is the one that counts. No figure was read there, for want of a network: each was compared with stored copies
of AWS's pages and of guides that quote them, and the month is that of the newest such copy. Other regions differ,
mostly by 10 to 30 percent; free tiers are left out, so a small deployment costs less than is said here.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Price:
    usd: float
    unit: str
    source: str
    seen: str


FARGATE_CPU = Price(0.03238, "vCPU-hour, ARM", "https://aws.amazon.com/fargate/pricing/", "2026-03")
FARGATE_MEMORY = Price(0.00356, "GB-hour, ARM", "https://aws.amazon.com/fargate/pricing/", "2026-03")
FARGATE_X86_CPU = Price(0.04048, "vCPU-hour, x86", "https://aws.amazon.com/fargate/pricing/", "2026-03")
FARGATE_X86_MEMORY = Price(0.004445, "GB-hour, x86", "https://aws.amazon.com/fargate/pricing/", "2026-03")
IPV4 = Price(0.005, "address-hour", "https://aws.amazon.com/vpc/pricing/", "2024-02")
STORAGE = Price(0.023, "GB-month", "https://aws.amazon.com/s3/pricing/", "2026-03")
PUTS = Price(0.005, "1,000 writes", "https://aws.amazon.com/s3/pricing/", "2026-03")
GETS = Price(0.0004, "1,000 reads", "https://aws.amazon.com/s3/pricing/", "2026-03")
GLUE = Price(0.44, "DPU-hour", "https://aws.amazon.com/glue/pricing/", "2026-05")
REDSHIFT = Price(0.375, "RPU-hour", "https://aws.amazon.com/redshift/pricing/", "2025-06")
SECRET = Price(0.40, "secret-month", "https://aws.amazon.com/secrets-manager/pricing/", "2026-03")
LOGS = Price(0.50, "GB taken in", "https://aws.amazon.com/cloudwatch/pricing/", "2026-06")
METRIC = Price(0.30, "metric-month", "https://aws.amazon.com/cloudwatch/pricing/", "2026-02")
ALARM = Price(0.10, "alarm-month", "https://aws.amazon.com/cloudwatch/pricing/", "2026-02")
KEY = Price(1.00, "key-month", "https://aws.amazon.com/kms/pricing/", "2026-03")
IMAGES = Price(0.10, "GB-month", "https://aws.amazon.com/ecr/pricing/", "2026-03")


@dataclass(frozen=True)
class Use:
    """What is deployed, and what a run is taken to need."""

    runs: float
    """A month."""
    vcpu: float = 0.25
    memory_gb: float = 0.5
    minutes: float = 2.0
    """Of the container, its start included; it waits for Glue besides."""
    spot: bool = False
    glue: bool = False
    redshift: bool = False
    public: bool = True
    """Whether the container has an address of its own."""
    alarms: int = 4
    metrics: int = 3
    stored_gb: float = 5.0
    """In the lake, after some months."""
    image_gb: float = 0.5
    requests: int = 60
    """Of the lake, a run; a third of them writes."""
    dpus: int = 2
    glue_minutes: float = 1.5
    rpus: float = 4
    redshift_minutes: float = 1.0
    """Each wake-up is billed for a minute at least."""
    rpu_hours: float = 200
    """A month, at which Redshift takes no more queries."""


@dataclass(frozen=True)
class Line:
    name: str
    usd: float
    how: str
    by_run: bool = False
    """Whether it is paid for run by run."""
    is_floor: bool = False
    """Whether more may be used than runs do."""

    def __str__(self) -> str:
        return f"{self.name:<20}{_figure(self.usd, is_floor=self.is_floor)}  {self.how}"


def monthly(use: Use) -> Iterator[Line]:
    """A line for each thing that is paid for."""
    minutes = use.minutes + (use.glue_minutes if use.glue else 0)
    hours = use.runs * minutes / 60
    size = f"{use.vcpu:g} vCPU and {use.memory_gb:g} GB"
    # Spot has no list price: it changes, and is well below this one.
    machine = "x86 on demand, Spot costs less" if use.spot else "ARM"
    cpu, memory = (FARGATE_X86_CPU, FARGATE_X86_MEMORY) if use.spot else (FARGATE_CPU, FARGATE_MEMORY)
    usd = hours * (use.vcpu * cpu.usd + use.memory_gb * memory.usd)
    yield Line("Fargate", usd, f"{use.runs:,.0f} runs of {minutes:g} min, {size}, {machine}", by_run=True)
    if use.public:
        yield Line("public IPv4", hours * IPV4.usd, "while a run lasts", by_run=True)
    if use.glue:
        usd = use.runs * use.glue_minutes / 60 * use.dpus * GLUE.usd
        yield Line("Glue", usd, f"{use.dpus} DPU for {use.glue_minutes:g} min a run", by_run=True)
    if use.redshift:
        usd = use.runs * use.redshift_minutes / 60 * use.rpus * REDSHIFT.usd
        most = f"stopped at {use.rpu_hours:g} RPU-hours, {use.rpu_hours * REDSHIFT.usd:.2f}"
        how = f"{use.rpus:g} RPU for {use.redshift_minutes:g} min a run; {most}; storage apart"
        yield Line("Redshift Serverless", usd, how, by_run=True, is_floor=True)
    calls = use.runs * use.requests / 1000
    usd = use.stored_gb * STORAGE.usd + calls * (PUTS.usd / 3 + GETS.usd * 2 / 3)
    yield Line("S3", usd, f"{use.stored_gb:g} GB and {use.requests} requests a run")
    usd = use.alarms * ALARM.usd + use.metrics * METRIC.usd + use.runs * 0.0001 * LOGS.usd
    yield Line("CloudWatch", usd, f"{use.alarms} alarms, {use.metrics} metrics, 0.1 MB of log a run")
    secrets = 2 if use.redshift else 1
    yield Line("Secrets Manager", secrets * SECRET.usd, "Reddit's" + (" and the warehouse's" if use.redshift else ""))
    yield Line("KMS", KEY.usd, "1 key; a dollar more after its first and its second yearly rotation")
    yield Line("ECR", use.image_gb * IMAGES.usd, f"{use.image_gb:g} GB of images")


def told(use: Use) -> Iterator[str]:
    """The lines, what they come to, what of it each run costs, and what each waking of the warehouse adds."""
    lines = list(monthly(use))
    yield from map(str, lines)
    total = sum(line.usd for line in lines)
    yield f"{'together':<20}{_figure(total, is_floor=any(line.is_floor for line in lines))}"
    by_run = sum(line.usd for line in lines if line.by_run) / use.runs
    yield f"{'of which a run':<20}{by_run:>14.4f}"
    if use.redshift:
        # Billed by the second, for a minute at least.
        once = f"from {use.rpus / 60 * REDSHIFT.usd:.4f}"
        yield f"{'in addition':<20}{once:>14}  each time that the doctor or somebody's query wakes the warehouse up"


def _figure(usd: float, *, is_floor: bool) -> str:
    return f"{'from ' if is_floor else ''}{usd:.2f}".rjust(12)
