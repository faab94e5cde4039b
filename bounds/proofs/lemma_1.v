(* Lemma 1 (one translation): tuples of bijections with the same k-hop table differ by one
   permutation on the left of all relations, and by one on their right.

   Docs: docs/theorems/theorem_4_2.md, "Global bound", Lemma 1. *)

From mathcomp Require Import all_ssreflect all_fingroup.
From bounds Require Import setting.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Section OneTranslation.
Variables (T : finType) (R : nat).
Implicit Types f g : facts T R.

(* The permutation that a word is. *)
Definition word_perm f (f_bij : f \in bijections) (w : seq 'I_R) : {perm T} :=
  perm (@follow_inj T R f w f_bij).

Lemma word_permE f (f_bij : f \in bijections) w s : word_perm f_bij w s = follow f s w.
Proof. exact: permE. Qed.

Theorem lemma_1 k f g : f \in bijections -> g \in bijections -> table k.+1 f = table k.+1 g ->
  exists tau rho : {perm T}, forall r s, f r s = tau (g r s) /\ f r s = g r (rho s).
Proof.
move=> f_bij g_bij /ffunP same.
have same_word s (w : seq 'I_R) : size w = k.+1 -> follow f s w = follow g s w.
  by move/eqP=> w_size; have := same (s, Tuple w_size); rewrite !ffunE.
case: (posnP R) => [R0 | R_gt0].
  by exists 1%g, 1%g => r; have := ltn_ord r; rewrite [X in _ < X]R0.
pose u : seq 'I_R := nseq k (Ordinal R_gt0).
pose f_u := word_perm f_bij u; pose g_u := word_perm g_bij u.
exists (g_u * f_u^-1)%g, (f_u^-1 * g_u)%g => r s; split.
- rewrite permM; apply: (canRL (permK f_u)); rewrite !word_permE.
  by apply: (same_word s (r :: u)); rewrite /= size_nseq.
- rewrite permM word_permE -{1}(permKV f_u s) word_permE -!follow_rcons.
  by apply: same_word; rewrite size_rcons size_nseq.
Qed.

End OneTranslation.
