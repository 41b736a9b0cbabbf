"""What a deployment costs, worked out by hand."""

import re

import pytest
import yaml

from batch import prices, schedule
from batch.prices import Price, Use, monthly, told
from batch.stack import template
from tests.standins.s3 import PROJECT


def cost(use: Use) -> dict[str, float]:
    return {line.name: round(line.usd, 2) for line in monthly(use)}


def test_an_hourly_run_in_the_smallest_container():
    # 730 runs of 2 minutes are 24.33 hours: of 0.25 vCPU at 0.03238 and 0.5 GB at 0.00356, and of an address at 0.005.
    hourly = cost(Use(runs=730, stored_gb=10))
    assert hourly == {
        "Fargate": 0.24,
        "public IPv4": 0.12,
        "S3": 0.31,
        "CloudWatch": 1.34,
        "Secrets Manager": 0.40,
        "KMS": 1.00,
        "ECR": 0.05,
    }


def test_the_engines_of_aws_cost_by_the_run():
    with_both = cost(Use(runs=730, glue=True, redshift=True))
    assert with_both["Glue"] == 16.06  # 730 runs of 1.5 minutes with 2 DPU at 0.44
    assert with_both["Redshift Serverless"] == 18.25  # 730 minutes with 4 RPU at 0.375
    assert with_both["Secrets Manager"] == 0.80
    assert with_both["Fargate"] == 0.42, "the container waits for Glue"
    daily = cost(Use(runs=30, glue=True, redshift=True))
    assert daily["Glue"] < 1 > daily["Redshift Serverless"]


def test_spot_is_told_at_the_price_that_it_stays_below():
    [fargate, *_] = monthly(Use(runs=730, spot=True))
    # 24.33 hours of 0.25 vCPU at 0.04048 and 0.5 GB at 0.004445.
    assert round(fargate.usd, 2) == 0.30
    assert "Spot costs less" in fargate.how


def test_a_private_network_has_no_address():
    assert "public IPv4" not in cost(Use(runs=730, public=False))


def test_a_run_is_told_apart_from_what_is_paid_for_in_any_case():
    *_, together, a_run, added = told(Use(runs=730, redshift=True))
    # 1.35 US cents of Fargate and an address an hour, for 2 minutes; and a minute of 4 RPU at 0.375 an hour.
    assert a_run == "of which a run              0.0255"
    # 0.24 + 0.12 + 18.25 + 0.20 + 1.34 + 0.80 + 1.00 + 0.05
    assert together.split() == ["together", "from", "22.00"]
    # A minute of 4 RPU.
    assert added.split()[:4] == ["in", "addition", "from", "0.0250"]


def test_redshift_is_a_floor_up_to_its_limit():
    [redshift] = [line for line in monthly(Use(runs=730, redshift=True, rpu_hours=100)) if line.is_floor]
    assert "Redshift Serverless   from 18.25" in str(redshift)
    # 100 RPU-hours at 0.375.
    assert "stopped at 100 RPU-hours, 37.50" in redshift.how
    assert not any("from" in line for line in told(Use(runs=730)))


def test_the_readme_tells_these_prices():
    hourly, daily = schedule.parse("cron(5 * * * ? *)").runs, schedule.parse("rate(1 day)").runs
    uses = [
        Use(runs=hourly, redshift=True),
        Use(runs=daily, redshift=True),
        Use(runs=hourly),
        Use(runs=hourly, redshift=True, glue=True),
    ]
    computed = []
    for use in uses:
        lines = {line[:20].strip(): line[20:].strip() for line in told(use)}
        computed.append((lines["together"], lines["of which a run"]))
    readme = (PROJECT / "README.md").read_text()
    assert re.findall(r"^\| .* \| ((?:from )?\d+\.\d\d) \| (\d\.\d{4}) \|$", readme, re.MULTILINE) == computed


def test_the_stack_has_what_is_counted():
    # CloudFormation's tags mean nothing here.
    text = template().replace("!", "")
    kinds = [line.split()[-1] for line in text.splitlines() if line.startswith("    Type: AWS::")]
    assert kinds.count("AWS::CloudWatch::Alarm") == Use.alarms
    assert kinds.count("AWS::Logs::MetricFilter") == Use.metrics
    assert kinds.count("AWS::KMS::Key") == 1
    assert "AWS::EC2::NatGateway" not in kinds
    assert "AWS::SecretsManager::Secret" not in kinds
    parameters = yaml.safe_load(text.partition("\nParameters:\n")[2].partition("\nMetadata:")[0])
    assert float(parameters["Vcpu"]["Default"]) == Use.vcpu
    assert float(parameters["Memory"]["Default"]) / 1024 == Use.memory_gb
    assert parameters["RedshiftCapacity"]["Default"] == Use.rpus
    assert parameters["RedshiftRpuHours"]["Default"] == Use.rpu_hours


@pytest.mark.parametrize("price", [value for value in vars(prices).values() if isinstance(value, Price)])
def test_every_price_has_its_source(price):
    assert price.usd > 0
    assert price.source.startswith("https://aws.amazon.com/")
    assert "2024" < price.seen < "2027"
