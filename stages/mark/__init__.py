"""Stages that mark documents and drop none unless asked."""
