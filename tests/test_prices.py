"""What a deployment costs, worked out by hand."""

import re
from pathlib import Path

from batch import prices, schedule
from batch.prices import estimate, monthly
from tests.standins.s3 import PROJECT
from tests.standins.template import TEMPLATE, load

DEFAULTS = {
    name: str(about["Default"])
    for name, about in load(TEMPLATE.read_text())["Parameters"].items()
    if "Default" in about
}
URL, GLUE = {"Warehouse": "url"}, {"TransformEngine": "glue"}


def cost(runs: float = 730, **parameters: str) -> dict[str, float]:
    return {line.name: round(line.usd, 2) for line in monthly(DEFAULTS | parameters, runs)}


def test_an_hourly_run_in_the_smallest_container():
    # 730 runs of 2 minutes are 24.33 hours: of 0.25 vCPU at 0.03238 and 0.5 GB at 0.00356, and of an address at 0.005.
    assert cost(**URL) == {
        "Fargate": 0.24,
        "public IPv4": 0.12,
        # 30.4 runs of 5 minutes at 0.0149 an hour
        "maintenance": 0.04,
        "S3": 0.20,
        "CloudWatch": 2.14,
        "Secrets Manager": 0.40,
        "KMS": 1.00,
        "ECR": 0.05,
    }


def test_the_engines_of_aws_cost_by_the_run():
    with_both = cost(**GLUE)
    assert with_both["Glue"] == 16.06  # 730 runs of 1.5 minutes with 2 DPU at 0.44
    assert with_both["Redshift Serverless"] == 18.25  # 730 minutes with 4 RPU at 0.375
    assert with_both["Secrets Manager"] == 0.80
    assert with_both["Fargate"] == 0.42, "the container waits for Glue"
    # 30.4 times 6.5 minutes of the container, 1.5 minutes with 2 DPU and a minute with 4 RPU
    assert with_both["maintenance"] == 1.48
    assert cost(**GLUE, MaintenanceSchedule="rate(12 hours)")["maintenance"] == 2.96
    daily = cost(30, **GLUE)
    assert daily["Glue"] < 1 > daily["Redshift Serverless"]


def test_spot_is_listed_at_the_price_that_it_stays_below():
    [fargate, *_] = monthly(DEFAULTS | {"Spot": "yes"}, 730)
    # 24.33 hours of 0.25 vCPU at 0.04048 and 0.5 GB at 0.004445.
    assert round(fargate.usd, 2) == 0.30
    assert "Spot costs less" in fargate.how


def test_a_private_network_has_no_address():
    assert "public IPv4" not in cost(PublicIp="no")


def test_a_run_is_listed_apart_from_what_is_paid_for_in_any_case():
    *_, total, a_run, added = estimate(DEFAULTS, 730)
    # 1.35 US cents of Fargate and an address an hour, for 2 minutes; and a minute of 4 RPU at 0.375 an hour.
    assert a_run == "per run                     0.0255"
    # 0.24 + 0.12 + 18.25 + 0.80 + 0.20 + 2.14 + 0.80 + 1.00 + 0.05
    assert total.split() == ["total", "from", "23.60"]
    # A minute of 4 RPU.
    assert added.split()[:5] == ["per", "query", "session", "from", "0.0250"]


def test_redshift_has_a_minimum_and_a_limit():
    redshift, _ = [line for line in monthly(DEFAULTS | {"RedshiftRpuHours": "100"}, 730) if line.is_minimum]
    assert "Redshift Serverless   from 18.25" in str(redshift)
    # 100 RPU-hours at 0.375.
    assert "stops at 100 RPU-hours, 37.50" in redshift.how
    *lines, last = estimate(DEFAULTS | URL, 730)
    assert not any("from" in line for line in lines)
    assert last == "the externally managed warehouse is not included"


def test_the_readme_has_these_prices():
    hourly, daily = schedule.parse("cron(5 * * * ? *)").runs, schedule.parse("rate(1 day)").runs
    computed = []
    for values, runs in (({}, hourly), ({}, daily), (URL, hourly), (GLUE, hourly)):
        lines = {line[:20].strip(): line[20:].strip() for line in estimate(DEFAULTS | values, runs)}
        computed.append((lines["total"], lines["per run"]))
    readme = (PROJECT / "README.md").read_text()
    assert re.findall(r"^\| .* \| ((?:from )?\d+\.\d\d) \| (\d\.\d{4}) \|$", readme, re.MULTILINE) == computed


def test_the_stack_has_what_is_counted():
    kinds = [resource["Type"] for resource in load(TEMPLATE.read_text())["Resources"].values()]
    assert kinds.count("AWS::CloudWatch::Alarm") == prices.ALARMS
    assert kinds.count("AWS::Logs::MetricFilter") == prices.METRICS
    assert kinds.count("AWS::KMS::Key") == 1
    assert "AWS::EC2::NatGateway" not in kinds
    assert "AWS::SecretsManager::Secret" not in kinds


def test_every_price_has_its_source():
    lines = Path(prices.__file__).read_text().splitlines()
    priced = [line for line in lines if "/pricing" in line]
    assert len(priced) == 16
    for line in priced:
        assert re.fullmatch(
            r"[A-Z0-9_]+ = \d+\.\d+  # [^;]+; aws\.amazon\.com/[a-z0-9-]+/pricing, 202[456]-\d\d", line
        ), line
