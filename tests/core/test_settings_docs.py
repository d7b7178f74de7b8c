"""The reference page and .env.example are made from the model and are up to date."""

import re

from gpu_management.core.settings_keys import CONVENTIONAL_NAMES, OTHER_VARIABLES, leaves
from tools.docs_configuration import ENV_EXAMPLE, PAGE, env_example, page

REQUIRED = {
    "DB_USERNAME",
    "DB_PASSWORD",
    "LDAP_PASSWORD",
    "OAUTH2_CLIENT_SECRET",
    "SLACK_WEBHOOK_URL",
    "TEAMS_WEBHOOK_URL",
    "MONITORING_WEBHOOK_URL",
    "MONITORING_API_KEY",
    "CLUSTER_NAME",
    "ENVIRONMENT",
    "NODE_NAME",
    "GPU_MANAGEMENT_API",
    "UPLOAD_TO_S3",
    "S3_BUCKET",
}


def test_the_reference_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_the_example_environment_is_up_to_date():
    assert ENV_EXAMPLE.read_text(encoding="utf-8") == env_example(), "run `make docs`"


def test_the_example_environment_lists_every_variable():
    names = re.findall(r"^#?([A-Z][A-Z0-9_]*)=", ENV_EXAMPLE.read_text(encoding="utf-8"), re.M)
    known = {leaf.env for leaf in leaves()} | set(CONVENTIONAL_NAMES) | set(OTHER_VARIABLES)
    assert set(names) == known
    assert len(names) == len(set(names))
    assert set(names) >= REQUIRED


def test_every_setting_is_documented():
    text = PAGE.read_text(encoding="utf-8")
    for leaf in leaves():
        assert f"`{leaf.env}`" in text
        assert f"## {'.'.join(leaf.path[:-1])}\n" in text
        assert leaf.description.replace("|", "\\|") in text
