import json
import unittest
from unittest import mock

from .. import drills, template
from ..drills import rights, tenants


def drill(*lines: dict) -> drills.Drill:
    return drills.Drill("D0", "a drill", lambda _current, _tier: lines)


class Harness(unittest.TestCase):
    def test_a_drill_that_says_nothing_has_failed(self):
        self.assertEqual(drills.carry_out(drill(), "pr")["D0"]["failed"], 1)

    def test_a_drill_that_tried_nothing_has_failed(self):
        self.assertEqual(drills.carry_out(drill({"drill": "D0", "tried": 0, "failed": 0}), "pr")["D0"]["failed"], 1)

    def test_a_line_that_lacks_a_number_has_failed(self):
        self.assertEqual(drills.carry_out(drill({"drill": "D0", "executions": 5}), "pr")["D0"]["failed"], 1)

    def test_lines_of_one_drill_are_added_up(self):
        lines = [{"drill": "D0", "tried": 2, "failed": 0, "seconds": 1}, {"drill": "D0", "tried": 3, "failed": 1, "seconds": 0.5}]
        found = drills.carry_out(drill(*lines), "pr")["D0"]
        self.assertEqual((found["tried"], found["failed"], found["seconds"], len(found["lines"])), (5, 1, 1.5, 2))

    def test_a_line_is_found_in_what_tests_print(self):
        self.assertEqual(json.loads(drills.LINE.search('  DRILL {"drill":"D9","tried":1}')[1])["drill"], "D9")
        self.assertIsNone(drills.LINE.search("DRILL of the day"))


class Template(unittest.TestCase):
    def test_every_function_that_reads_a_queue_has_forged_messages(self):
        self.assertEqual(set(template.consumers()), set(tenants.FORGERIES))

    def test_routes_that_change_something_are_reached_harmlessly(self):
        changing = {f"{route.method} {route.path}" for route in template.routes() if route.signed_in and route.method != "GET"}
        self.assertEqual(changing, set(tenants.REFUSED_BY_THE_HANDLER))

    def test_policies_are_read_by_name(self):
        granted = rights.policies()
        self.assertIn(("secretsmanager:CreateSecret", "install"), granted["ConfigureRole"])
        self.assertIn(("dynamodb:Query", "CatalogTable"), granted["CatalogRole"])
        self.assertNotIn("secretsmanager:GetSecretValue", {action for action, _ in granted["StatusRole"]})

    def test_a_right_too_many_or_too_few_is_told(self):
        made = [("sqs:SendMessage", "Queue", True, lambda: None)]
        with (
            mock.patch.object(rights, "physical", return_value=[{"ResourceType": "AWS::IAM::Role", "LogicalResourceId": "R", "PhysicalResourceId": "r"}]),
            mock.patch.object(rights, "assume"),
            mock.patch.object(rights, "calls", return_value=made),
        ):
            for granted, said, failed in ((set(), "allowed", 1), (set(), "denied", 0), ({made[0][:2]}, "denied", 1), ({made[0][:2]}, "allowed", 0)):
                with mock.patch.object(rights, "policies", return_value={"R": granted}), mock.patch.object(rights, "outcome", return_value=said):
                    self.assertEqual(rights.play(None, "install")["failed"], failed, (granted, said))
