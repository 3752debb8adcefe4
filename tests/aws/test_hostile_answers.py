from __future__ import annotations

import botocore.session

from aws.parsing import FastParserFactory


def parse_reason(body: bytes) -> str:
    model = botocore.session.get_session().get_service_model("ecs")
    shape = model.operation_model("DescribeTasks").output_shape
    parser = FastParserFactory().create_parser("json")
    answer = parser.parse({"status_code": 200, "headers": {}, "body": body}, shape)
    return str(answer["tasks"][0]["stoppedReason"])


def test_nul_becomes_the_replacement_character() -> None:
    assert parse_reason(b'{"tasks":[{"stoppedReason":"bad \\u0000 byte"}]}') == "bad \ufffd byte"


def test_other_text_stays_as_it_is() -> None:
    assert parse_reason('{"tasks":[{"stoppedReason":"can’t \\u0041 \\n"}]}'.encode()) == "can’t A \n"
