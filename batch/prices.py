"""What a deployment costs per month: AWS's list prices for us-east-1, and how much of each a schedule uses.

AWS's own page is authoritative. Each figure was compared with stored copies of that page and of guides that quote it,
and its comment ends with the month of the newest copy. Other regions differ, mostly by 10 to 30 percent. Free tiers are
left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from batch import schedule

FARGATE_CPU = 0.03238  # vCPU-hour, ARM; aws.amazon.com/fargate/pricing, 2026-03
FARGATE_MEMORY = 0.00356  # GB-hour, ARM; aws.amazon.com/fargate/pricing, 2026-03
FARGATE_X86_CPU = 0.04048  # vCPU-hour, x86; aws.amazon.com/fargate/pricing, 2026-03
FARGATE_X86_MEMORY = 0.004445  # GB-hour, x86; aws.amazon.com/fargate/pricing, 2026-03
IPV4 = 0.005  # address-hour; aws.amazon.com/vpc/pricing, 2024-02
STORAGE = 0.023  # GB-month; aws.amazon.com/s3/pricing, 2026-03
PUTS = 0.005  # 1,000 writes; aws.amazon.com/s3/pricing, 2026-03
GETS = 0.0004  # 1,000 reads; aws.amazon.com/s3/pricing, 2026-03
GLUE = 0.44  # DPU-hour; aws.amazon.com/glue/pricing, 2026-05
REDSHIFT = 0.375  # RPU-hour; aws.amazon.com/redshift/pricing, 2025-06
SECRET = 0.40  # secret-month; aws.amazon.com/secrets-manager/pricing, 2026-03
LOGS = 0.50  # GB ingested; aws.amazon.com/cloudwatch/pricing, 2026-06
METRIC = 0.30  # metric-month; aws.amazon.com/cloudwatch/pricing, 2026-02
ALARM = 0.10  # alarm-month; aws.amazon.com/cloudwatch/pricing, 2026-02
KEY = 1.00  # key-month; aws.amazon.com/kms/pricing, 2026-03
IMAGES = 0.10  # GB-month; aws.amazon.com/ecr/pricing, 2026-03

# Estimates. A run takes these minutes: in the container, its start included, and with Glue so many more.
MINUTES, GLUE_MINUTES, DPUS = 2.0, 1.5, 2
MAINTENANCE_MINUTES = 5.0  # The daily job, with a run on Glue and a wake-up of Redshift as a run has them.
REDSHIFT_MINUTES = 1.0  # Redshift bills each wake-up for a minute at least.
REQUESTS = 60  # To the lake, per run; a third of them writes.
STORED_GB, IMAGE_GB, LOG_GB = 5.0, 0.5, 0.0001  # The lake after some months; the images; the log per run.
ALARMS, METRICS = 6, 5  # In batch/stack.yaml.


@dataclass(frozen=True)
class Line:
    """The cost of one service in US dollars per month; `how` says how much of it is used."""

    name: str
    usd: float
    how: str
    per_run: bool = False
    is_minimum: bool = False
    """Whether there may be more use than that of the runs."""

    def __str__(self) -> str:
        return f"{self.name:<20}{_figure(self.usd, is_minimum=self.is_minimum)}  {self.how}"


def monthly(values: Mapping[str, str], runs: float) -> Iterator[Line]:
    """A line for each service. `values` are the stack's parameters, `runs` a number per month."""
    glue, own = values["TransformEngine"] == "glue", values["Warehouse"] == "serverless"
    minutes = MINUTES + GLUE_MINUTES * glue
    hours = runs * minutes / 60
    vcpu, memory = float(values["Vcpu"]), float(values["Memory"]) / 1024
    # Spot has no list price: it changes, and is well below this one.
    spot = values["Spot"] == "yes"
    cpu_price, memory_price = (FARGATE_X86_CPU, FARGATE_X86_MEMORY) if spot else (FARGATE_CPU, FARGATE_MEMORY)
    machine = "x86 on demand, Spot costs less" if spot else "ARM"
    container = vcpu * cpu_price + memory * memory_price
    usd = hours * container
    how = f"{runs:,.0f} runs of {minutes:g} min, {vcpu:g} vCPU and {memory:g} GB, {machine}"
    yield Line("Fargate", usd, how, per_run=True)
    address = IPV4 * (values["PublicIp"] == "yes")
    if address:
        yield Line("public IPv4", hours * address, "during runs", per_run=True)
    on_glue = GLUE_MINUTES / 60 * DPUS * GLUE * glue
    if glue:
        yield Line("Glue", runs * on_glue, f"{DPUS} DPU for {GLUE_MINUTES:g} min per run", per_run=True)
    rpus, limit = float(values["RedshiftCapacity"]), float(values["RedshiftRpuHours"])
    wake_up = REDSHIFT_MINUTES / 60 * rpus * REDSHIFT * own
    if own:
        usd = runs * wake_up
        how = f"{rpus:g} RPU for {REDSHIFT_MINUTES:g} min per run; stops at {limit:g} RPU-hours, "
        how += f"{limit * REDSHIFT:.2f}; storage not included"
        yield Line("Redshift Serverless", usd, how, per_run=True, is_minimum=True)
    days = schedule.parse(values["MaintenanceSchedule"]).runs
    minutes = MAINTENANCE_MINUTES + GLUE_MINUTES * glue
    usd = days * (minutes / 60 * (container + address) + on_glue + wake_up)
    yield Line("maintenance", usd, f"{days:,.0f} runs of {minutes:g} min, with all of the above", is_minimum=own)
    calls = runs * REQUESTS / 1000
    usd = STORED_GB * STORAGE + calls * (PUTS / 3 + GETS * 2 / 3)
    yield Line("S3", usd, f"{STORED_GB:g} GB and {REQUESTS} requests per run")
    usd = ALARMS * ALARM + METRICS * METRIC + runs * LOG_GB * LOGS
    yield Line("CloudWatch", usd, f"{ALARMS} alarms, {METRICS} metrics, {LOG_GB * 1000:g} MB of log per run")
    yield Line("Secrets Manager", (1 + own) * SECRET, "Reddit's" + " and the warehouse's" * own)
    yield Line("KMS", KEY, "1 key; a dollar more after its first and its second yearly rotation")
    yield Line("ECR", IMAGE_GB * IMAGES, f"{IMAGE_GB:g} GB of images")


def estimate(values: Mapping[str, str], runs: float) -> Iterator[str]:
    """The lines, their total, the part of a run, and what each wake-up of the warehouse adds."""
    lines = list(monthly(values, runs))
    yield from map(str, lines)
    total = sum(line.usd for line in lines)
    yield f"{'total':<20}{_figure(total, is_minimum=any(line.is_minimum for line in lines))}"
    yield f"{'per run':<20}{sum(line.usd for line in lines if line.per_run) / runs:>14.4f}"
    if values["Warehouse"] == "serverless":
        # Billed by the second, for a minute at least.
        once = f"from {float(values['RedshiftCapacity']) / 60 * REDSHIFT:.4f}"
        yield f"{'per query session':<20}{once:>14}  each time the doctor or a query starts the idle warehouse"
    else:
        yield "the externally managed warehouse is not included"


def _figure(usd: float, *, is_minimum: bool) -> str:
    return f"{'from ' if is_minimum else ''}{usd:.2f}".rjust(12)
