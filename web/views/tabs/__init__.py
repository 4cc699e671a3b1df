"""What each tab of a run's page shows beyond the header: functions from a run to template values."""
