"""Attacks on a saved model: is every change that makes an answer wrong refused?"""
