import unittest

from parcels.quote import TooHeavy, quote


class Quote(unittest.TestCase):
    def test_within_a_band(self):
        self.assertEqual(quote(1.2, 1), 5.40)
        self.assertEqual(quote(3.0, 2), 11.60)

    def test_express_is_added_once(self):
        self.assertEqual(quote(3.0, 1, express=True), 12.40)

    def test_two_kilos(self):
        self.assertEqual(quote(2.0, 1), 5.40)

    def test_every_limit_belongs_to_its_band(self):
        self.assertEqual([quote(limit, 3) for limit in (5.0, 10.0, 20.0)], [21.50, 31.00, 52.40])

    def test_just_above_a_limit(self):
        self.assertEqual(quote(2.005, 1), 7.90)

    def test_too_heavy(self):
        with self.assertRaises(TooHeavy):
            quote(20.5, 1)


if __name__ == "__main__":
    unittest.main()
